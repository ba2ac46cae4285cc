/** Bounded access to bytes, network order. An over-read or over-write throws; decoders catch it at their edge. */
import { BurrowError } from '../errors.ts'

/** Reads forward through `bytes`. Sub-arrays are views: copy what outlives the datagram. */
export class Reader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  get remaining(): number {
    return this.#bytes.length - this.#at
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1))
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2))
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4))
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#advance(8))
  }

  bytes(count: number): Uint8Array {
    const at = this.#advance(count)
    return this.#bytes.subarray(at, at + count)
  }

  rest(): Uint8Array {
    return this.bytes(this.remaining)
  }

  #advance(count: number): number {
    if (count < 0 || count > this.remaining) {
      throw new BurrowError('WIRE_TRUNCATED', `${count} octets wanted, ${this.remaining} left`)
    }
    const at = this.#at
    this.#at += count
    return at
  }
}

const FIRST_CAPACITY = 256

/** Appends to a buffer that grows up to `limitBytes` and no further. */
export class Writer {
  readonly #limitBytes: number
  #bytes: Uint8Array
  #length = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
    this.#bytes = new Uint8Array(Math.min(FIRST_CAPACITY, limitBytes))
  }

  get length(): number {
    return this.#length
  }

  u8(value: number): this {
    return this.#number(value, 1)
  }

  u16(value: number): this {
    return this.#number(value, 2)
  }

  u32(value: number): this {
    return this.#number(value, 4)
  }

  u64(value: bigint): this {
    if (value < 0n || value > 0xffff_ffff_ffff_ffffn)
      throw new BurrowError('WIRE_OVERFLOW', `${value} does not fit 8 octets`)
    return this.u32(Number(value >> 32n)).u32(Number(value & 0xffff_ffffn))
  }

  bytes(value: Uint8Array): this {
    const at = this.#reserve(value.length)
    this.#bytes.set(value, at)
    return this
  }

  /** Overwrites 16 bits written earlier: a length that is known only at the end. */
  setU16(at: number, value: number): void {
    if (at + 2 > this.#length || value > 0xffff)
      throw new BurrowError('WIRE_OVERFLOW', `no 16 bits for ${value} at ${at}`)
    this.#bytes[at] = value >> 8
    this.#bytes[at + 1] = value & 0xff
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  #number(value: number, octets: number): this {
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * octets)) {
      throw new BurrowError('WIRE_OVERFLOW', `${value} does not fit ${octets} octets`)
    }
    let at = this.#reserve(octets)
    for (let shift = 8 * (octets - 1); shift >= 0; shift -= 8) this.#bytes[at++] = (value >>> shift) & 0xff
    return this
  }

  /** Makes room and returns where it starts. */
  #reserve(count: number): number {
    const at = this.#length
    const end = at + count
    if (end > this.#limitBytes)
      throw new BurrowError('WIRE_OVERFLOW', `${end} octets do not fit ${this.#limitBytes}`)
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.min(this.#limitBytes, Math.max(end, 2 * this.#bytes.length)))
      grown.set(this.#bytes)
      this.#bytes = grown
    }
    this.#length = end
    return at
  }
}
