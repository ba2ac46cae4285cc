/** The bytes of VICI, strongSwan's control protocol (README.md of its plugin `vici`): packets, and the messages in them. */

/** A section. Of two values of one key the last counts. */
export interface ViciMessage {
  readonly [key: string]: ViciValue
}

/** Text, or octets on the way out; a list; a section. */
export type ViciValue = string | Uint8Array | readonly (string | Uint8Array)[] | ViciMessage

/** What a packet is. A name goes with those that have one, a message with requests, responses and events. */
export const PACKET = {
  request: 0,
  response: 1,
  unknownCommand: 2,
  register: 3,
  unregister: 4,
  confirm: 5,
  unknownEvent: 6,
  event: 7,
} as const
export type PacketType = (typeof PACKET)[keyof typeof PACKET]

export interface ViciPacket {
  readonly type: PacketType
  /** Of a command or an event. */
  readonly name?: string
  readonly message: ViciMessage
}

/** Bytes that are no VICI; the connection that they came by is of no more use. */
export class ViciFault extends Error {
  override readonly name = 'ViciFault'
}

const ELEMENT = {
  sectionStart: 1,
  sectionEnd: 2,
  keyValue: 3,
  listStart: 4,
  listItem: 5,
  listEnd: 6,
} as const

/** As charon has it. */
export const MOST_PACKET_BYTES = 512 * 1024
const MOST_NAME_BYTES = 0xff
const MOST_VALUE_BYTES = 0xffff
const DEEPEST = 16
const LENGTH_BYTES = 4

const NAMED: ReadonlySet<PacketType> = new Set([
  PACKET.request,
  PACKET.register,
  PACKET.unregister,
  PACKET.event,
])
const WITH_MESSAGE: ReadonlySet<PacketType> = new Set([PACKET.request, PACKET.response, PACKET.event])
const TYPES: ReadonlySet<number> = new Set(Object.values(PACKET))

/** With its length in front. Throws RangeError for what does not fit. */
export function encodePacket({ type, name, message }: ViciPacket): Uint8Array {
  const parts: Uint8Array[] = [Uint8Array.of(type)]
  if (NAMED.has(type)) parts.push(sized(name ?? '', 1, MOST_NAME_BYTES))
  if (WITH_MESSAGE.has(type)) encodeSection(message, parts, 0)
  const body = Buffer.concat(parts)
  if (body.length > MOST_PACKET_BYTES) throw new RangeError(`a VICI packet of ${body.length} bytes`)
  const head = Buffer.alloc(LENGTH_BYTES)
  head.writeUInt32BE(body.length)
  return Buffer.concat([head, body])
}

function encodeSection(section: ViciMessage, parts: Uint8Array[], depth: number): void {
  if (depth > DEEPEST) throw new RangeError(`VICI sections deeper than ${DEEPEST}`)
  for (const [key, value] of Object.entries(section)) {
    const named = (element: number) => parts.push(Uint8Array.of(element), sized(key, 1, MOST_NAME_BYTES))
    if (typeof value === 'string' || value instanceof Uint8Array) {
      named(ELEMENT.keyValue)
      parts.push(sized(value, 2, MOST_VALUE_BYTES))
    } else if (isList(value)) {
      named(ELEMENT.listStart)
      for (const item of value) parts.push(Uint8Array.of(ELEMENT.listItem), sized(item, 2, MOST_VALUE_BYTES))
      parts.push(Uint8Array.of(ELEMENT.listEnd))
    } else {
      named(ELEMENT.sectionStart)
      encodeSection(value, parts, depth + 1)
      parts.push(Uint8Array.of(ELEMENT.sectionEnd))
    }
  }
}

const isList = (value: ViciMessage | readonly unknown[]): value is readonly (string | Uint8Array)[] =>
  Array.isArray(value)

function sized(value: string | Uint8Array, lengthBytes: 1 | 2, most: number): Uint8Array {
  const bytes = Buffer.from(value)
  if (bytes.length > most) throw new RangeError(`${bytes.length} bytes where VICI has room for ${most}`)
  const head = Buffer.alloc(lengthBytes)
  head.writeUIntBE(bytes.length, 0, lengthBytes)
  return Buffer.concat([head, bytes])
}

/** Without its length. Throws ViciFault. */
export function decodePacket(bytes: Uint8Array): ViciPacket {
  const reader = new Reader(bytes)
  const type = reader.number(1)
  if (!isType(type)) throw new ViciFault(`packet of type ${type}`)
  const named = NAMED.has(type) ? { name: reader.text(1) } : {}
  const message = WITH_MESSAGE.has(type) ? decodeSection(reader, 0) : emptySection()
  if (reader.left > 0) throw new ViciFault(`${reader.left} bytes too many`)
  return { type, ...named, message }
}

const isType = (type: number): type is PacketType => TYPES.has(type)

/** No key of a peer's is anything to JavaScript. */
const emptySection = (): Record<string, ViciValue> => Object.create(null)

function decodeSection(reader: Reader, depth: number): ViciMessage {
  if (depth > DEEPEST) throw new ViciFault(`sections deeper than ${DEEPEST}`)
  const section = emptySection()
  while (reader.left > 0) {
    const element = reader.number(1)
    switch (element) {
      case ELEMENT.sectionStart:
        section[reader.text(1)] = decodeSection(reader, depth + 1)
        break
      case ELEMENT.sectionEnd:
        if (depth === 0) throw new ViciFault('the end of no section')
        return section
      case ELEMENT.keyValue:
        section[reader.text(1)] = reader.text(2)
        break
      case ELEMENT.listStart:
        section[reader.text(1)] = decodeList(reader)
        break
      default:
        throw new ViciFault(`element ${element} in a section`)
    }
  }
  if (depth > 0) throw new ViciFault('a section without its end')
  return section
}

function decodeList(reader: Reader): readonly string[] {
  const items: string[] = []
  for (;;) {
    const element = reader.number(1)
    if (element === ELEMENT.listEnd) return items
    if (element !== ELEMENT.listItem) throw new ViciFault(`element ${element} in a list`)
    items.push(reader.text(2))
  }
}

class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  number(bytes: 1 | 2): number {
    this.#need(bytes)
    this.#at += bytes
    return this.#bytes.readUIntBE(this.#at - bytes, bytes)
  }

  text(lengthBytes: 1 | 2): string {
    const length = this.number(lengthBytes)
    this.#need(length)
    this.#at += length
    return this.#bytes.toString('utf8', this.#at - length, this.#at)
  }

  #need(bytes: number): void {
    if (this.left < bytes) throw new ViciFault(`${bytes} bytes announced, ${this.left} there`)
  }
}

/** Cuts what a stream brings into packets. */
export class PacketStream {
  #chunks: Uint8Array[] = []
  #bytes = 0

  /** The packets that are whole by now, in order. Throws ViciFault. */
  take(chunk: Uint8Array): readonly ViciPacket[] {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    const packets: ViciPacket[] = []
    for (;;) {
      if (this.#bytes < LENGTH_BYTES) return packets
      const length = this.#joined(LENGTH_BYTES).readUInt32BE()
      if (length < 1 || length > MOST_PACKET_BYTES) throw new ViciFault(`a packet of ${length} bytes`)
      if (this.#bytes < LENGTH_BYTES + length) return packets
      const whole = this.#joined(LENGTH_BYTES + length)
      packets.push(decodePacket(whole.subarray(LENGTH_BYTES, LENGTH_BYTES + length)))
      this.#chunks = [whole.subarray(LENGTH_BYTES + length)]
      this.#bytes -= LENGTH_BYTES + length
    }
  }

  /** All that is there, once the first chunk alone does not reach. */
  #joined(bytes: number): Buffer {
    const [first] = this.#chunks
    if (first === undefined || first.length < bytes) this.#chunks = [Buffer.concat(this.#chunks)]
    const [all = new Uint8Array()] = this.#chunks
    return Buffer.from(all.buffer, all.byteOffset, all.length)
  }
}

/** Reading of what charon sends: undefined where it is something else. */
export const textOf = (value: ViciValue | undefined): string | undefined =>
  typeof value === 'string' ? value : undefined

export const sectionOf = (value: ViciValue | undefined): ViciMessage =>
  typeof value === 'object' && !Array.isArray(value) && !(value instanceof Uint8Array)
    ? (value as ViciMessage)
    : emptySection()

export const listOf = (value: ViciValue | undefined): readonly string[] =>
  Array.isArray(value) ? value.filter(item => typeof item === 'string') : []
