/** Writes one JSON line for the start, each update and the end of a session. */
import { accessSync, constants, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { BurrowError, definePlugin } from 'burrow'
import { Options } from './config.ts'
import { recordLine, type Told } from './record.ts'
import { RecordFile } from './record-file.ts'

const NAME = 'accounting-file'

export default definePlugin({
  name: NAME,
  config: Options,
  setup({ hooks, log, clock, configDir, shared }, options) {
    const path = resolve(configDir, options.file)
    const { sync, waitingRecords } = options
    const file = shared(
      `${path} ${sync} ${waitingRecords}`,
      () => new RecordFile({ path, sync: sync === 'each', waitingRecords, clock, log }),
      made => made.close(),
    )
    const write = (told: Told) => file.append(recordLine(told, clock.wallTimeMs()))
    hooks.sessionUp.tapPromise(NAME, event => write({ event: 'start', ...event }))
    hooks.sessionUpdate.tapPromise(NAME, event => write({ event: 'interim', ...event }))
    hooks.sessionDown.tapPromise(NAME, event => write({ event: 'stop', ...event }))
    return {
      check: () => checkFolder(path),
      start: () => file.open(),
      stop: () => file.drain(),
    }
  },
})

function checkFolder(path: string): void {
  try {
    accessSync(dirname(path), constants.W_OK | constants.X_OK)
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw new Error(`${path} is a folder`)
  } catch (cause) {
    throw new BurrowError('ACCOUNTING_FILE', (cause as Error).message, { file: path }, { cause })
  }
}
