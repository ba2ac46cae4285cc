/** Frames in a file: what was cut by a crash, or damaged since, is told from what is whole. */
import { crc32 } from 'node:zlib'

/** Where a frame begins, and in which format: after damage, reading goes on at the next one. */
const MAGIC = Buffer.from([0xb1, 0x5b, 0x00, 0x01])
/** Magic, length of the payload, CRC-32 of the payload. */
const HEADER_OCTETS = 12
/** Many times what fits a RADIUS packet; a length beyond it is damage. */
const MOST_PAYLOAD_OCTETS = 0x1_0000

/** A frame that was read. */
export interface Frame {
  readonly offset: number
  /** With its header. */
  readonly octets: number
  readonly payload: Buffer
}

export interface Frames {
  readonly frames: readonly Frame[]
  /** After the last whole frame: where a crash cut the file, if it is longer. */
  readonly end: number
  /** Before `end`, in no frame. */
  readonly damagedOctets: number
}

export function frameOf(payload: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_OCTETS)
  MAGIC.copy(header)
  header.writeUInt32BE(payload.length, 4)
  header.writeUInt32BE(crc32(payload), 8)
  return Buffer.concat([header, payload])
}

/** The frame that begins at `offset`; undefined where none is whole there. */
export function frameAt(bytes: Buffer, offset: number): Frame | undefined {
  const start = offset + HEADER_OCTETS
  if (start > bytes.length || !bytes.subarray(offset, offset + MAGIC.length).equals(MAGIC)) return undefined
  const length = bytes.readUInt32BE(offset + 4)
  if (length > MOST_PAYLOAD_OCTETS || start + length > bytes.length) return undefined
  const payload = bytes.subarray(start, start + length)
  if (crc32(payload) !== bytes.readUInt32BE(offset + 8)) return undefined
  return { offset, octets: HEADER_OCTETS + length, payload }
}

/** Every whole frame, in order. */
export function framesIn(bytes: Buffer): Frames {
  const frames: Frame[] = []
  let end = 0
  let damagedOctets = 0
  let at = 0
  while (at !== -1) {
    const frame = frameAt(bytes, at)
    if (frame === undefined) {
      at = bytes.indexOf(MAGIC, at + 1)
    } else {
      damagedOctets += at - end
      frames.push(frame)
      end = at + frame.octets
      at = end
    }
  }
  return { frames, end, damagedOctets }
}
