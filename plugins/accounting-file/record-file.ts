/** Appends lines to a file in order, a batch at a time, and keeps them while the file cannot be written. */
import { type FileHandle, open, stat } from 'node:fs/promises'
import { BurrowError, type Clock, type Logger, type TimerHandle } from 'burrow'

/** What of the file system is needed; tests hand in another. */
export interface Files {
  open(path: string, flags: string, mode: number): Promise<OpenFile>
  /** Rejects when there is no such file. */
  stat(path: string): Promise<FileIdentity>
}
export type OpenFile = Pick<FileHandle, 'read' | 'write' | 'datasync' | 'close'> & {
  stat(): Promise<FileIdentity & { readonly size: number; readonly mode: number }>
}
interface FileIdentity {
  readonly dev: number
  readonly ino: number
}

interface RecordFileParts {
  readonly path: string
  readonly sync: boolean
  readonly waitingRecords: number
  readonly clock: Clock
  readonly log: Logger
  readonly files?: Files
}

interface Waiting {
  readonly bytes: Buffer
  /** The record is written, or will be tried again later. */
  readonly settled: () => void
}

const FIRST_RETRY_MS = 1000
const LONGEST_RETRY_MS = 60_000
const BATCH_RECORDS = 256
const NEWLINE = Buffer.from('\n')
const NOTHING = Buffer.alloc(0)

export class RecordFile {
  readonly #parts: RecordFileParts
  readonly #files: Files
  readonly #waiting: Waiting[] = []
  #file: OpenFile | undefined
  /** The file ends within a line: of a crash, or of a disk that was full. */
  #torn = false
  #writing: Promise<void> | undefined
  #retry: { readonly timer: TimerHandle; readonly delayMs: number } | undefined
  #lost = 0

  constructor(parts: RecordFileParts) {
    this.#parts = parts
    this.#files = parts.files ?? { open, stat }
  }

  /** Throws ACCOUNTING_FILE when the file cannot be written. */
  async open(): Promise<void> {
    const { path, log } = this.#parts
    try {
      const { mode } = await (await this.#current()).stat()
      if ((mode & 0o077) !== 0)
        log.warn({ file: path }, 'the accounting file can be read by others; chmod 600 it')
    } catch (cause) {
      throw new BurrowError('ACCOUNTING_FILE', (cause as Error).message, { file: path }, { cause })
    }
  }

  /** Resolves when the line is written, or kept because the file cannot be written now. Never rejects. */
  append(line: string): Promise<void> {
    return new Promise(settled => {
      if (this.#waiting.length >= this.#parts.waitingRecords) {
        this.#waiting.shift()?.settled()
        this.#lost++
      }
      this.#waiting.push({ bytes: Buffer.from(line), settled })
      if (this.#retry === undefined) void this.#write()
      else settled()
    })
  }

  /** Tries to write all that waits, now. */
  async drain(): Promise<void> {
    if (this.#waiting.length > 0 || this.#writing !== undefined) await this.#write()
  }

  async close(): Promise<void> {
    await this.drain()
    this.#retry?.timer.cancel()
    const lost = this.#lost + this.#waiting.length
    if (lost > 0) this.#parts.log.error({ file: this.#parts.path, lost }, 'accounting records are lost')
    await this.#file?.close()
    this.#file = undefined
  }

  #write(): Promise<void> {
    this.#writing ??= this.#writeAll()
    return this.#writing
  }

  async #writeAll(): Promise<void> {
    try {
      do await this.#writeBatch()
      while (this.#waiting.length > 0)
      this.#recovered()
    } catch (error) {
      this.#failed(error)
    } finally {
      // At once: a record that comes a moment later must not count on a write that is over.
      this.#writing = undefined
    }
  }

  async #writeBatch(): Promise<void> {
    const file = await this.#current()
    const batch = this.#waiting.splice(0, BATCH_RECORDS)
    const lead = this.#torn ? NEWLINE : NOTHING
    const bytes = Buffer.concat([lead, ...batch.map(record => record.bytes)])
    let written = 0
    try {
      while (written < bytes.length) written += (await file.write(bytes, written)).bytesWritten
      if (this.#parts.sync) await file.datasync()
    } finally {
      let whole = written - lead.length
      // A record that lacks its newline only gets that, in front of the next.
      while (batch[0] !== undefined && whole >= batch[0].bytes.length - 1) {
        whole -= batch[0].bytes.length
        batch.shift()?.settled()
      }
      if (written > 0) this.#torn = whole !== 0
      this.#waiting.unshift(...batch)
    }
  }

  /** The file under its path: another one after it was moved away (logrotate). */
  async #current(): Promise<OpenFile> {
    const { path } = this.#parts
    if (this.#file !== undefined) {
      const [is, own] = await Promise.all([this.#files.stat(path).catch(() => undefined), this.#file.stat()])
      if (is?.ino === own.ino && is.dev === own.dev) return this.#file
      await this.#file.close()
      this.#file = undefined
    }
    const file = await this.#files.open(path, 'a+', 0o600)
    this.#file = file
    this.#torn = await endsWithinLine(file)
    return file
  }

  #failed(error: unknown): void {
    const { clock, log, path } = this.#parts
    const delayMs = Math.min(LONGEST_RETRY_MS, (this.#retry?.delayMs ?? FIRST_RETRY_MS / 2) * 2)
    this.#retry?.timer.cancel()
    this.#retry = { delayMs, timer: clock.setTimer(delayMs, () => void this.#write()) }
    for (const { settled } of this.#waiting) settled()
    const fields = { file: path, waiting: this.#waiting.length, lost: this.#lost, retryMs: delayMs, error }
    log.error(fields, 'accounting records cannot be written; they wait')
  }

  #recovered(): void {
    const { log, path } = this.#parts
    if (this.#retry === undefined) return
    this.#retry.timer.cancel()
    this.#retry = undefined
    log.warn({ file: path, lost: this.#lost }, 'accounting records are written again')
    this.#lost = 0
  }
}

async function endsWithinLine(file: OpenFile): Promise<boolean> {
  const { size } = await file.stat()
  if (size === 0) return false
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1)
  return !NEWLINE.equals(buffer)
}
