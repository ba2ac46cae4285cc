/** The program `nft`: one process for each transaction. */
import { spawn } from 'node:child_process'
import { BurrowError } from 'burrow'

const ANSWER_MS = 30_000

export class Nft {
  readonly #program: string

  constructor(program: string) {
    this.#program = program
  }

  /** All of the script or nothing of it. Throws NFTABLES. */
  async run(script: string): Promise<void> {
    await this.#call(['-f', '-'], script)
  }

  /** What the table is, without what it counted. */
  async show(table: string): Promise<string> {
    return this.#call(['--stateless', 'list', 'table', 'inet', table], '').catch(() => '')
  }

  #call(args: readonly string[], input: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const child = spawn(this.#program, args, { stdio: 'pipe', timeout: ANSWER_MS })
      const output = { stdout: '', stderr: '' }
      for (const stream of ['stdout', 'stderr'] as const)
        child[stream].setEncoding('utf8').on('data', text => {
          output[stream] += text
        })
      child.on('error', cause => {
        const missing = 'code' in cause && cause.code === 'ENOENT'
        const why = missing
          ? `the program ${this.#program} is missing: install the package nftables`
          : cause.message
        reject(new BurrowError('NFTABLES', why, {}, { cause }))
      })
      child.on('close', code => {
        if (code === 0) resolve(output.stdout)
        else
          reject(new BurrowError('NFTABLES', output.stderr.trim().split('\n')[0] ?? `nft ended with ${code}`))
      })
      // A program that ends early closes the pipe; its status says what happened.
      child.stdin.on('error', () => {})
      child.stdin.end(input)
    })
  }
}
