import { type AskJson, BurrowError, type Clock, type HookRequest, type Random } from 'burrow'
import type { Program } from './program.ts'

/** How calls get to a program and back: a process for each, or a pool that stays. */
export interface Runner {
  /** Throws HOOK_EXEC when the program does not run. */
  start(): Promise<void>
  readonly ask: AskJson
  /** Ends every process; what is asked then fails. */
  stop(): Promise<void>
}

export interface RunnerParts {
  /** Found when it is first needed. */
  readonly program: () => Program
  readonly clock: Clock
  readonly random: Random
  readonly processes: number
  readonly callsPerProcess: number
  readonly waitingCalls: number
  readonly maxOutputBytes: number
  /** A line of standard error. */
  readonly said: (pid: number | undefined, line: string) => void
  /** A process of the pool ended unasked. */
  readonly ended: (pid: number | undefined, how: string, restartMs: number) => void
}

/** Longer lines of standard error are cut. */
export const LONGEST_STDERR_LINE_BYTES = 4096

export const failed = (what: string): BurrowError => new BurrowError('HOOK_FAILED', what)
export const tooLong = (bytes: number): BurrowError =>
  new BurrowError('HOOK_ANSWER', `the program answered more than ${bytes} bytes`)
export const busy = (waiting: number): BurrowError =>
  new BurrowError('HOOK_BUSY', `${waiting} calls wait for a process already`)

/** What of a request a program must not get into the log, with `set -x` for one: the password, and the response of any method. */
export function secretsOf({ proof }: HookRequest): readonly string[] {
  return Object.entries({ ...(proof as object | undefined) }).flatMap(([key, secret]) =>
    /^password$|response$/i.test(key) && typeof secret === 'string' && secret !== ''
      ? [secret, JSON.stringify(secret).slice(1, -1)]
      : [],
  )
}

/** A line without the secrets in it; one that was cut also without an end that may be the beginning of a secret. */
export function without(line: string, secrets: readonly string[], whole: boolean): string {
  // The longest first: a secret may stand within another.
  const longestFirst = [...new Set(secrets)].sort((a, b) => b.length - a.length)
  const masked = longestFirst.reduce((text, secret) => text.replaceAll(secret, '***'), line)
  if (whole) return masked
  // The last character may be cut too.
  const text = masked.replace(/\ufffd$/, '')
  return text.slice(0, Math.min(...longestFirst.map(secret => beginningAtEnd(text, secret)), text.length))
}

/** Where the longest beginning of `secret` stands with which `text` ends; else its length. */
function beginningAtEnd(text: string, secret: string): number {
  const first = secret.charAt(0)
  for (
    let at = text.indexOf(first, Math.max(0, text.length - secret.length));
    at >= 0;
    at = text.indexOf(first, at + 1)
  )
    if (secret.startsWith(text.slice(at))) return at
  return text.length
}
