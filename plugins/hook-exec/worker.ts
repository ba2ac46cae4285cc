/** A process that stays: a call a line in, an answer a line out, told apart by their ids. */
import { BurrowError, type JsonCall, parseHookAnswer, type TimerHandle } from 'burrow'
import { Child, type End } from './child.ts'
import { Lines } from './lines.ts'
import { failed, LONGEST_STDERR_LINE_BYTES, type RunnerParts, secretsOf, tooLong, without } from './runner.ts'

/** A call and whoever waits for it. */
export interface PooledCall extends JsonCall {
  readonly resolve: (answer: unknown) => void
  readonly reject: (error: unknown) => void
}

interface InHand {
  readonly call: PooledCall
  readonly timer: TimerHandle
}

/** Calls that ended and whose secrets are kept at least: a line of standard error may come after the answer. */
const ENDED_KEPT = 64

export class Worker {
  readonly ended: Promise<End>
  readonly #parts: RunnerParts
  readonly #child: Child
  readonly #inHand = new Map<string, InHand>()
  /** Told when a call left, so that another can come. */
  readonly #onRoom: () => void
  /** Of the last calls that ended, the secrets of each. */
  readonly #ended: (readonly string[])[] = []
  #answers = 0
  /** It gets no call any more, and ends with the last one that it has. */
  #retired = false

  constructor(parts: RunnerParts, onRoom: () => void) {
    this.#parts = parts
    this.#onRoom = onRoom
    const stdout = new Lines(parts.maxOutputBytes, (line, whole) => this.#read(line, whole))
    const stderr = new Lines(LONGEST_STDERR_LINE_BYTES, (line, whole) =>
      parts.said(this.pid, without(line, this.#secrets(), whole)),
    )
    this.#child = new Child({
      program: parts.program(),
      clock: parts.clock,
      onStdout: chunk => stdout.push(chunk),
      onStderr: chunk => stderr.push(chunk),
    })
    this.ended = this.#child.ended.then(end => {
      stderr.end()
      this.#break(failed(`the process ended with ${end.how} before it answered`))
      return end
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** How many calls it may still be given. */
  get room(): number {
    return this.#retired ? 0 : this.#parts.callsPerProcess - this.#inHand.size
  }

  /** Whether it ever answered: a program that only dies is started again ever more slowly. */
  get hasAnswered(): boolean {
    return this.#answers > 0
  }

  take(call: PooledCall): void {
    const { request, timeoutMs } = call
    // A call that ended stays in hand until its answer: the process is busy with it.
    const timer = this.#parts.clock.setTimer(timeoutMs, () => this.#overdue(call))
    this.#inHand.set(request.id, { call, timer })
    this.#child.write(`${JSON.stringify(request)}\n`)
  }

  end(): void {
    this.#retired = true
    this.#child.end()
  }

  #read(line: string, whole: boolean): void {
    if (!whole) return this.#break(tooLong(this.#parts.maxOutputBytes))
    let answer: Answer
    try {
      answer = answerOf(line)
    } catch (error) {
      // Nobody can tell whose answer this was, or whether the next one is whole.
      return this.#break(error)
    }
    const { call } = this.#inHand.get(answer.id) ?? {}
    // Late: the call is overdue, and this process on its way out.
    if (call === undefined) return
    this.#answers++
    this.#drop(call)
    if (answer.error === undefined) call.resolve(answer.verdict)
    else call.reject(failed(`the program says: ${answer.error}`))
    this.#onRoom()
  }

  /** Of every call that the process may still quote. */
  #secrets(): readonly string[] {
    const inHand = [...this.#inHand.values()].map(({ call }) => secretsOf(call.request))
    return [...inHand, ...this.#ended].flat()
  }

  #overdue(call: PooledCall): void {
    this.#drop(call)
    call.reject(new BurrowError('HOOK_TIMEOUT', `no answer within ${call.timeoutMs} ms`))
    this.#retired = true
    if (this.#inHand.size === 0) this.end()
  }

  #drop({ request }: PooledCall): void {
    this.#inHand.get(request.id)?.timer.cancel()
    this.#inHand.delete(request.id)
    this.#ended.push(secretsOf(request))
    // All that were in hand may end at once.
    if (this.#ended.length > Math.max(ENDED_KEPT, this.#parts.callsPerProcess)) this.#ended.shift()
    if (this.#retired && this.#inHand.size === 0) this.end()
  }

  #break(error: unknown): void {
    const calls = [...this.#inHand.values()].map(({ call }) => call)
    for (const call of calls) {
      this.#drop(call)
      call.reject(error)
    }
    this.end()
  }
}

interface Answer {
  readonly id: string
  readonly verdict: unknown
  readonly error: string | undefined
}

function answerOf(line: string): Answer {
  const { id, verdict = null, error } = { ...(parseHookAnswer(line) as Readonly<Record<string, unknown>>) }
  if (typeof id !== 'string') throw new BurrowError('HOOK_ANSWER', 'a line of the program has no `id`')
  return { id, verdict, error: error === undefined ? undefined : String(error) }
}
