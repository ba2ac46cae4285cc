/** Spools of accounting-radius for tests: what is in them, and a disk that fails when a test says so. */
import { readdirSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { memoryLog } from '../../core/testing/log.ts'
import { aFolder } from '../../core/testing/samples.ts'
import type { TestScope } from '../../core/testing/scope.ts'
import { VirtualClock } from '../../core/testing/virtual-clock.ts'
import type { Entry } from '../../plugins/accounting-radius/book.ts'
import type { AccountingRecord } from '../../plugins/accounting-radius/record.ts'
import type { Files, OpenFile } from '../../plugins/accounting-radius/segments.ts'
import { Spool, type SpoolLimits } from '../../plugins/accounting-radius/spool.ts'

const MEBIBYTE = 2 ** 20
export const LIMITS: SpoolLimits = { sync: 'never', maxSpoolBytes: MEBIBYTE, waitingRecords: 100 }

export async function openSpool(
  folder: string,
  { limits = LIMITS, files }: { limits?: SpoolLimits; files?: Files } = {},
) {
  const clock = new VirtualClock()
  const { log, lines } = memoryLog()
  const spool = new Spool({ folder, clock, log, limits, ...(files === undefined ? {} : { files }) })
  await spool.open()
  return { spool, clock, lines }
}

export const record = (event: AccountingRecord['event'], session?: string, mark = 0): AccountingRecord => ({
  event,
  ...(session === undefined ? {} : { session }),
  atMs: 1000 + mark,
  attributes: [{ name: 'Mark', value: mark }],
})

export const told = ({ event, session, attributes }: AccountingRecord) =>
  [event, session, attributes[0]?.value].filter(part => part !== undefined).join(' ')

/** What would be sent, in order, and of which sessions a Stop would be made. */
export async function content(spool: Spool) {
  const pending: string[] = []
  for (const entry of spool.book.live().filter(one => one.pending))
    pending.push(told((await spool.read(entry)) ?? record('off', 'unreadable')))
  const open = await Promise.all(
    spool.book.openSessions().map(async entry => told((await spool.read(entry)) ?? record('off', '?'))),
  )
  return { pending, open }
}

export const entryOf = (spool: Spool, seq: number): Entry => {
  const entry = spool.book.live().find(one => one.seq === seq)
  if (entry === undefined) throw new Error(`${seq} is not there`)
  return entry
}

export const recordFiles = (folder: string) =>
  readdirSync(folder)
    .filter(name => name.endsWith('.records'))
    .sort()

/** The real file system, with a hand on what it takes. */
export class Disk implements Files {
  /** Octets that it still takes. */
  room = Number.POSITIVE_INFINITY
  before = () => {}
  syncs = 0

  async open(path: string, flags: string, mode: number): Promise<OpenFile> {
    this.before()
    const file = await open(path, flags, mode)
    const write = async (bytes: Buffer, offset: number, length: number, position: number) => {
      this.before()
      if (this.room === 0) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' })
      const some = Math.min(length, this.room)
      this.room -= some
      return file.write(bytes, offset, some, position)
    }
    const datasync = () => {
      this.syncs++
      return file.datasync()
    }
    const own: Record<string, unknown> = { write, datasync }
    return new Proxy(file, {
      get: (target, name) => {
        const found = own[String(name)] ?? Reflect.get(target, name)
        return typeof found === 'function' && own[String(name)] === undefined ? found.bind(target) : found
      },
    }) as unknown as OpenFile
  }
}

export async function onDisk(t: TestScope, limits: Partial<SpoolLimits> = {}) {
  const folder = aFolder(t)
  const disk = new Disk()
  return { folder, disk, ...(await openSpool(folder, { limits: { ...LIMITS, ...limits }, files: disk })) }
}
