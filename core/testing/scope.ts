/**
 * The test that something is made for: what `node:test` hands to a test, or anything else that runs a function when the
 * test is over. The kit closes there what it opened.
 */
export interface TestScope {
  /** Runs `close` when the test is over. */
  after(close: () => void | Promise<void>): void
}

/**
 * Runs something with the kit outside of a test: an example, a demonstration. What the kit opened is closed when `run` ends, the
 * youngest first, whether it succeeds or fails.
 *
 *     await inScope(async t => {
 *       const lns = await startMemoryLns(t, { config: 'burrow.yaml' })
 *     })
 */
export async function inScope(run: (t: TestScope) => Promise<void>): Promise<void> {
  const closing: (() => void | Promise<void>)[] = []
  try {
    await run({ after: close => void closing.push(close) })
  } finally {
    for (const close of closing.reverse()) await close()
  }
}
