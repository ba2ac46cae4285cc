import assert from 'node:assert/strict'

/** Waits in real time until `done`; fails with `what` after `limitMs`. */
export async function until(what: string, done: () => boolean, limitMs = 5000): Promise<void> {
  const end = performance.now() + limitMs
  while (!done()) {
    assert.ok(performance.now() < end, `not within ${limitMs} ms: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 1))
  }
}
