/**
 * The test that something is made for: what `node:test` hands to a test, or anything else that runs a function when the
 * test is over. The kit closes there what it opened.
 */
export interface TestScope {
  /** Runs `close` when the test is over. */
  after(close: () => void | Promise<void>): void
}
