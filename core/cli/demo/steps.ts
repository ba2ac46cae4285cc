import { BurrowError } from '../../errors.ts'

interface StepResult {
  readonly step: string
  readonly ok: boolean
  readonly saw: string
  readonly ms: number
}

/** Runs steps one after the other, tells of each as it ends, and goes on after one that differs. */
export class Steps {
  readonly results: StepResult[] = []
  readonly #tell: (text: string) => void

  constructor(tell: (text: string) => void) {
    this.#tell = tell
  }

  /** `run` returns what was seen; it throws, by `differs` or otherwise, when that is not as it should be. */
  async step(step: string, run: () => string | Promise<string>): Promise<void> {
    const startedAt = performance.now()
    const { ok, saw } = await attempt(run)
    this.results.push({ step, ok, saw, ms: Math.round(performance.now() - startedAt) })
    this.#tell(`${ok ? 'ok     ' : 'DIFFERS'} ${step}: ${saw}\n`)
  }

  get failed(): readonly StepResult[] {
    return this.results.filter(({ ok }) => !ok)
  }
}

async function attempt(
  run: () => string | Promise<string>,
): Promise<{ readonly ok: boolean; readonly saw: string }> {
  try {
    return { ok: true, saw: await run() }
  } catch (error) {
    const code = error instanceof BurrowError && error.code !== 'DEMO_DIFFERS' ? `${error.code}: ` : ''
    return { ok: false, saw: `${code}${error instanceof Error ? error.message : String(error)}` }
  }
}

/** Fails a step. */
export function differs(saw: string): never {
  throw new BurrowError('DEMO_DIFFERS', saw)
}

const POLL_MS = 20

/** Waits until `find` finds something. */
export async function eventually<T>(what: string, withinMs: number, find: () => T | undefined): Promise<T> {
  const end = performance.now() + withinMs
  for (;;) {
    const found = find()
    if (found !== undefined) return found
    if (performance.now() > end) differs(`not within ${withinMs} ms: ${what}`)
    await new Promise(resolve => setTimeout(resolve, POLL_MS))
  }
}
