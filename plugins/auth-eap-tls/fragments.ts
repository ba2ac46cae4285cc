/** TLS in packets of EAP (RFC 5216 2.1.5, 3): each part but the last is acknowledged by an empty packet. */

export const EAP_TLS = 13

const FLAG = { length: 0x80, more: 0x40, start: 0x20 } as const
const LENGTH_BYTES = 4
/** Code, identifier, length and type of EAP; flags and length of the method. */
const HEADERS_BYTES = 5 + 1 + LENGTH_BYTES
/** Chains of certificates are some kilobytes; nobody needs more. */
const MOST_BYTES = 64 * 1024
const MOST_PARTS = 256

/** What a packet of the peer comes to. */
export type Arrived =
  /** All of what it has to say; empty: it has taken what we said. */
  | { readonly kind: 'whole'; readonly bytes: Uint8Array }
  /** It has more, or waits for more: data to answer with. */
  | { readonly kind: 'answer'; readonly data: Uint8Array }
  | { readonly kind: 'wrong'; readonly reason: string }

export const START: Uint8Array = Uint8Array.of(FLAG.start)
const ACKNOWLEDGEMENT = Uint8Array.of(0)

/** Both directions of one conversation. */
export class Fragments {
  #heard: Uint8Array[] = []
  #heardBytes = 0
  #parts = 0
  #toSay: Uint8Array = new Uint8Array()
  #saidBytes = 0

  /** The first packet of what we have to say; `mtuBytes`: of packets of EAP. */
  say(bytes: Uint8Array, mtuBytes: number): Uint8Array {
    this.#toSay = bytes
    this.#saidBytes = 0
    return this.#next(mtuBytes)
  }

  /** The data of a Response. */
  hear(data: Uint8Array, mtuBytes: number): Arrived {
    const [flags] = data
    if (flags === undefined) return { kind: 'wrong', reason: 'a packet of EAP-TLS without flags' }
    if ((flags & FLAG.start) !== 0)
      return { kind: 'wrong', reason: 'the peer starts EAP-TLS, which is for us to do' }
    const hasLength = (flags & FLAG.length) !== 0
    const part = data.subarray(hasLength ? 1 + LENGTH_BYTES : 1)
    if (hasLength && data.length < 1 + LENGTH_BYTES)
      return { kind: 'wrong', reason: 'a packet of EAP-TLS that is cut short' }
    if (this.#saidBytes < this.#toSay.length) {
      if (part.length > 0) return { kind: 'wrong', reason: 'the peer speaks before it has heard all' }
      return { kind: 'answer', data: this.#next(mtuBytes) }
    }
    this.#heardBytes += part.length
    if (this.#heardBytes > MOST_BYTES || ++this.#parts > MOST_PARTS)
      return {
        kind: 'wrong',
        reason: `a message of EAP-TLS beyond ${MOST_BYTES} octets or ${MOST_PARTS} parts`,
      }
    this.#heard.push(part)
    if ((flags & FLAG.more) !== 0) {
      return part.length === 0
        ? { kind: 'wrong', reason: 'an empty part of a message of EAP-TLS' }
        : { kind: 'answer', data: ACKNOWLEDGEMENT }
    }
    const bytes = Buffer.concat(this.#heard)
    this.#heard = []
    this.#heardBytes = 0
    this.#parts = 0
    return { kind: 'whole', bytes }
  }

  #next(mtuBytes: number): Uint8Array {
    const whole = this.#toSay.length
    const from = this.#saidBytes
    const part = this.#toSay.subarray(from, from + Math.max(1, mtuBytes - HEADERS_BYTES))
    this.#saidBytes += part.length
    const isFirst = from === 0
    const more = this.#saidBytes < whole ? FLAG.more : 0
    const head = Buffer.alloc(isFirst ? 1 + LENGTH_BYTES : 1)
    head[0] = more | (isFirst ? FLAG.length : 0)
    if (isFirst) head.writeUInt32BE(whole, 1)
    return Uint8Array.from([...head, ...part])
  }
}
