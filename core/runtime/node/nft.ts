/** Tables of nftables of one's own: changed by whole transactions of the program `nft`, mended where somebody else changed them. */
import { spawn } from 'node:child_process'
import { BurrowError } from '../../errors.ts'
import type { RuleHits } from '../../plugin/policy-table.ts'
import type { Logger } from '../../ports.ts'

const ANSWER_MS = 30_000

/** What a table of nftables is made of. */
export interface NftTableParts {
  /** In family `inet`. */
  readonly name: string
  /** The program: `nft`. */
  readonly program: string
  /** Told where somebody changed it. */
  readonly log: Logger
  /** All of it: a script that makes the table where there is none. */
  readonly content: () => string
}

/** A table of family `inet` that nobody else is to change. */
export class NftTable {
  readonly #parts: NftTableParts
  /** Waits for the transaction that runs now. */
  #queued: string[] = []
  #running: Promise<void> | undefined
  /** As nft shows it after our last change. */
  #shown: string | undefined

  /** Opens nothing. */
  constructor(parts: NftTableParts) {
    this.#parts = parts
  }

  /** Installs it; one that a dead server left behind goes with the same transaction. Rejects with NFTABLES. */
  async open(): Promise<void> {
    await this.#install()
    this.#shown = await this.#show()
  }

  /** Takes it away. Rejects with NFTABLES. */
  async close(): Promise<void> {
    await this.#running?.catch(() => {})
    await this.#nft(this.#gone())
  }

  /** Commands of nft, all at once, in the order of the calls; resolves when the kernel has them. Rejects with NFTABLES. */
  async change(commands: readonly string[]): Promise<void> {
    this.#queued.push(...commands)
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  /** All of it anew, in the place of what is there. Rejects with NFTABLES. */
  replace(): Promise<void> {
    return this.change([this.#whole()])
  }

  /** Installs it anew where somebody changed it. Rejects with NFTABLES. */
  async mend(): Promise<void> {
    if (this.#running !== undefined) return
    const shown = await this.#show()
    if (this.#running !== undefined || shown === this.#shown) return
    const { log, name } = this.#parts
    log.warn({ table: name }, 'somebody changed the table of nftables; it is installed anew')
    await this.open()
  }

  /** What its named counters count, since the table was installed. Rejects with NFTABLES. */
  async counters(): Promise<readonly RuleHits[]> {
    const { program, name } = this.#parts
    const shown = await runNft(program, ['--json', 'list', 'counters', 'table', 'inet', name], '')
    const { nftables }: { readonly nftables: readonly { readonly counter?: NftCounter }[] } =
      JSON.parse(shown)
    return nftables
      .flatMap(({ counter }) => counter ?? [])
      .map(one => ({ name: one.name, packets: BigInt(one.packets), octets: BigInt(one.bytes) }))
  }

  async #run(): Promise<void> {
    while (this.#queued.length > 0) {
      const script = this.#queued.splice(0).map(line => `${line}\n`)
      try {
        await this.#nft(script.join(''))
      } catch (error) {
        this.#parts.log.error({ error }, 'nftables did not take a change; the table is installed anew')
        await this.#install()
      }
    }
    this.#shown = await this.#show()
  }

  readonly #install = () => this.#nft(this.#whole())

  readonly #whole = () => `${this.#gone()}${this.#parts.content()}`

  readonly #gone = () => `add table inet ${this.#parts.name}\ndelete table inet ${this.#parts.name}\n`

  /** What the table is, without what it counted. */
  readonly #show = () =>
    runNft(this.#parts.program, ['--stateless', 'list', 'table', 'inet', this.#parts.name], '').catch(
      () => '',
    )

  readonly #nft = (script: string) => runNft(this.#parts.program, ['-f', '-'], script)
}

interface NftCounter {
  readonly name: string
  readonly packets: number
  readonly bytes: number
}

/** One process of `nft`: all of a script or nothing of it. Rejects with NFTABLES. */
export function runNft(program: string, args: readonly string[], input: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'pipe' })
    // The `timeout` of spawn goes on where the program is missing, and keeps the process alive.
    const overdue = setTimeout(() => child.kill('SIGKILL'), ANSWER_MS)
    const output = { stdout: '', stderr: '' }
    for (const stream of ['stdout', 'stderr'] as const)
      child[stream].setEncoding('utf8').on('data', text => {
        output[stream] += text
      })
    child.on('error', cause => {
      clearTimeout(overdue)
      const missing = 'code' in cause && cause.code === 'ENOENT'
      const why = missing ? `the program ${program} is missing: install the package nftables` : cause.message
      reject(new BurrowError('NFTABLES', why, {}, { cause }))
    })
    child.on('close', code => {
      clearTimeout(overdue)
      if (code === 0) resolve(output.stdout)
      else
        reject(new BurrowError('NFTABLES', output.stderr.trim().split('\n')[0] ?? `nft ended with ${code}`))
    })
    // A program that ends early closes the pipe; its status says what happened.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })
}
