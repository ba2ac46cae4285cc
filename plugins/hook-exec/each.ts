/** One process for each call: JSON on its standard input, the verdict on its standard output, status 0. */
import { type JsonCall, parseHookAnswer, Slots } from 'burrow'
import { Child } from './child.ts'
import { Lines } from './lines.ts'
import {
  busy,
  failed,
  LONGEST_STDERR_LINE_BYTES,
  type Runner,
  type RunnerParts,
  secretsOf,
  tooLong,
  without,
} from './runner.ts'

export class Each implements Runner {
  readonly #parts: RunnerParts
  readonly #slots: Slots
  readonly #living = new Set<Child>()
  #stopped = false

  constructor(parts: RunnerParts) {
    this.#parts = parts
    this.#slots = new Slots(parts.processes, parts.waitingCalls)
  }

  async start(): Promise<void> {}

  async ask(call: JsonCall): Promise<unknown> {
    const ran = await this.#slots.run(call, () => this.#run(call))
    if (ran === 'full') throw busy(this.#parts.waitingCalls)
    if (ran === 'aborted') throw call.signal.reason
    return ran.answer
  }

  async stop(): Promise<void> {
    this.#stopped = true
    for (const child of this.#living) child.end()
    await Promise.all([...this.#living].map(({ ended }) => ended))
  }

  async #run({ request, signal, wantsAnswer }: JsonCall): Promise<{ readonly answer: unknown }> {
    if (this.#stopped) throw failed('the program is stopped')
    const { program, clock, maxOutputBytes, said } = this.#parts
    const secrets = secretsOf(request)
    const stderr = new Lines(LONGEST_STDERR_LINE_BYTES, (line, whole) =>
      said(child.pid, without(line, secrets, whole)),
    )
    const output: Buffer[] = []
    let bytes = 0
    const child: Child = new Child({
      program: program(),
      clock,
      onStderr: chunk => stderr.push(chunk),
      onStdout: chunk => {
        bytes += chunk.length
        if (bytes > maxOutputBytes && wantsAnswer) child.end()
        else if (wantsAnswer) output.push(chunk)
      },
    })
    const end = () => child.end()
    signal.addEventListener('abort', end)
    this.#living.add(child)
    child.finish(`${JSON.stringify(request)}\n`)
    // The slot is kept until the process is gone, however long nobody waits for its answer any more.
    const ended = await child.ended
    this.#living.delete(child)
    signal.removeEventListener('abort', end)
    stderr.end()
    if (bytes > maxOutputBytes && wantsAnswer) throw tooLong(maxOutputBytes)
    if (!ended.well) throw failed(`the program ended with ${ended.how}`)
    return { answer: wantsAnswer ? parseHookAnswer(Buffer.concat(output).toString('utf8')) : null }
  }
}
