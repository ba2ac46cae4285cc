/** An accounting sink of your own: what each user has moved so far, in a small JSON file that a bill can be made of. */
import { readFileSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { BurrowError, definePlugin, type SessionUpdate, z } from 'burrow'

interface Totals {
  sessions: number
  seconds: number
  octetsIn: number
  octetsOut: number
}

export default definePlugin({
  name: 'traffic-totals',
  config: z.strictObject({
    file: z.string().min(1).describe('The totals, as JSON; relative to the folder of the config.'),
  }),
  setup({ hooks, log, configDir, shared }, { file }) {
    const path = resolve(configDir, file)
    // One for all generations of the config: two that write the same file would undo each other's sums.
    const totals = shared(path, () => new TotalsFile(path))
    hooks.sessionDown.tapPromise('totals', async event => {
      totals.add(event)
      await totals.write().catch(error => log.error({ file: path, error }, 'the totals could not be written'))
    })
    return { start: () => totals.read(), stop: () => totals.write() }
  },
})

class TotalsFile {
  readonly #path: string
  #byUser = new Map<string, Totals>()
  #isRead = false
  #writing: Promise<void> = Promise.resolve()

  constructor(path: string) {
    this.#path = path
  }

  read(): void {
    if (this.#isRead) return
    try {
      this.#byUser = new Map(Object.entries(JSON.parse(readFileSync(this.#path, 'utf8'))))
    } catch (cause) {
      // The first time there is none; totals that cannot be read must not be written over.
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT')
        throw new BurrowError(
          'PLUGIN_START',
          `the totals cannot be read: ${cause}`,
          { file: this.#path },
          { cause },
        )
    }
    this.#isRead = true
  }

  add({ grant, counters, durationMs }: SessionUpdate): void {
    const before = this.#byUser.get(grant.user) ?? { sessions: 0, seconds: 0, octetsIn: 0, octetsOut: 0 }
    this.#byUser.set(grant.user, {
      sessions: before.sessions + 1,
      seconds: before.seconds + Math.round(durationMs / 1000),
      octetsIn: before.octetsIn + Number(counters.octetsIn),
      octetsOut: before.octetsOut + Number(counters.octetsOut),
    })
  }

  /** Beside the file first, then in its place: a crash leaves the old totals or the new ones. */
  write(): Promise<void> {
    const write = async () => {
      const text = `${JSON.stringify(Object.fromEntries(this.#byUser), null, 2)}\n`
      await writeFile(`${this.#path}.new`, text, { mode: 0o600 })
      await rename(`${this.#path}.new`, this.#path)
    }
    this.#writing = this.#writing.then(write, write)
    return this.#writing
  }
}
