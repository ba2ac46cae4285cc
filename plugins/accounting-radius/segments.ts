/** The files of a spool: frames are appended to the newest, and whole files removed from the oldest on. */
import { type FileHandle, open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Frame, frameAt, framesIn } from './frame.ts'

/** Where a frame is. */
export interface Place {
  readonly segment: number
  readonly offset: number
}

/** What of the file system is needed; tests hand in another. */
export interface Files {
  open(path: string, flags: string, mode: number): Promise<OpenFile>
}
export type OpenFile = Pick<
  FileHandle,
  'read' | 'write' | 'readFile' | 'datasync' | 'sync' | 'truncate' | 'close'
>

interface Segment {
  readonly file: OpenFile
  octets: number
}

/** What was found that is no frame. */
export interface Damage {
  readonly file: string
  readonly octets: number
  /** At the end of the newest file: a record whose writing a crash cut. */
  readonly torn: boolean
}

const NAME = /^(\d{8,})\.records$/
const nameOf = (segment: number) => `${String(segment).padStart(8, '0')}.records`

export class Segments {
  readonly #folder: string
  readonly #files: Files
  readonly #byNumber = new Map<number, Segment>()
  /** Written to since the last `sync`. */
  readonly #unsynced = new Set<Segment>()
  #octets = 0
  #newest = 0

  constructor(folder: string, files: Files = { open }) {
    this.#folder = folder
    this.#files = files
  }

  /** On the disk. */
  get octets(): number {
    return this.#octets
  }

  get count(): number {
    return this.#byNumber.size
  }

  /** The number of the oldest. */
  get oldest(): number | undefined {
    return this.#byNumber.keys().next().value
  }

  /** Opens what is there and shows each frame, the oldest first; a torn end is cut off. */
  async load(visit: (frame: Frame, place: Place) => void): Promise<readonly Damage[]> {
    const names = await readdir(this.#folder)
    const numbers = names.flatMap(name => NAME.exec(name)?.[1] ?? []).map(Number)
    numbers.sort((a, b) => a - b)
    const damage: Damage[] = []
    for (const segment of numbers) {
      const file = await this.#open(segment, 'r+')
      const bytes = await file.readFile()
      const { frames, end, damagedOctets } = framesIn(bytes)
      for (const frame of frames) visit(frame, { segment, offset: frame.offset })
      const torn = segment === numbers.at(-1)
      if (torn && end < bytes.length) await file.truncate(end)
      this.#byNumber.set(segment, { file, octets: end })
      this.#octets += end
      this.#newest = segment
      for (const [octets, cut] of [
        [damagedOctets, false],
        [bytes.length - end, torn],
      ] as const)
        if (octets > 0) damage.push({ file: nameOf(segment), octets, torn: cut })
    }
    return damage
  }

  /**
   * Appends frames, all or none, to a new file where the newest has reached `segmentOctets`. Where it throws, what was written
   * of them counts for nothing.
   */
  async append(frames: readonly Buffer[], segmentOctets: number): Promise<readonly Place[]> {
    const newest = this.#byNumber.get(this.#newest)
    const segment = newest !== undefined && newest.octets < segmentOctets ? newest : await this.#begin()
    const bytes = Buffer.concat(frames)
    const from = segment.octets
    this.#unsynced.add(segment)
    try {
      let written = 0
      while (written < bytes.length)
        written += (await segment.file.write(bytes, written, bytes.length - written, from + written))
          .bytesWritten
    } catch (error) {
      // Else the rest of a frame could come to light below a shorter one.
      await segment.file.truncate(from).catch(() => {})
      throw error
    }
    segment.octets += bytes.length
    this.#octets += bytes.length
    let offset = from
    return frames.map(frame => {
      const place = { segment: this.#newest, offset }
      offset += frame.length
      return place
    })
  }

  /** Waits until the disk has what was appended. */
  async sync(): Promise<void> {
    for (const segment of this.#unsynced) {
      await segment.file.datasync()
      this.#unsynced.delete(segment)
    }
  }

  /** The payload of a frame; undefined when it is not whole any more. Rejects when the disk does. */
  async read({ segment, offset }: Place, octets: number): Promise<Buffer | undefined> {
    const file = this.#byNumber.get(segment)?.file
    if (file === undefined) return undefined
    const { buffer, bytesRead } = await file.read(Buffer.alloc(octets), 0, octets, offset)
    return frameAt(buffer.subarray(0, bytesRead), 0)?.payload
  }

  /** Gives a file up, with all that is in it. */
  async remove(segment: number): Promise<void> {
    const gone = this.#byNumber.get(segment)
    if (gone === undefined) return
    this.#byNumber.delete(segment)
    this.#unsynced.delete(gone)
    this.#octets -= gone.octets
    await gone.file.close()
    await rm(join(this.#folder, nameOf(segment)))
  }

  async close(): Promise<void> {
    for (const { file } of this.#byNumber.values()) await file.close()
    this.#byNumber.clear()
  }

  async #begin(): Promise<Segment> {
    const file = await this.#open(this.#newest + 1, 'wx+')
    this.#newest++
    const segment = { file, octets: 0 }
    this.#byNumber.set(this.#newest, segment)
    const folder = await this.#files.open(this.#folder, 'r', 0)
    // Its name must outlive a power cut, too.
    await folder.sync().finally(() => folder.close())
    return segment
  }

  #open(segment: number, flags: string): Promise<OpenFile> {
    return this.#files.open(join(this.#folder, nameOf(segment)), flags, 0o600)
  }
}
