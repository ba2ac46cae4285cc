/** What the attributes are: name, place in the packet, type, flags, names of values. Read by `dictionary-reader.ts`. */
import { PLAIN_TLV, type TlvFormat } from './packet.ts'
import type { ValueTypeName } from './values.ts'

export interface AttributeDefinition {
  readonly name: string
  /** 0: IETF. */
  readonly vendorId: number
  /** Its number; of a member of a TLV, the numbers down to it. */
  readonly path: readonly number[]
  readonly type: ValueTypeName
  /** Of `octets[N]`. */
  readonly exactOctets?: number
  readonly hasTag: boolean
  /** How it is hidden, as FreeRADIUS numbers the ways; 0: it is not. */
  readonly encrypt: 0 | 1 | 2 | 3
  /** A long value goes on in the next attribute of the same number. */
  readonly concat: boolean
  readonly values: ReadonlyMap<string, number>
}

export interface VendorDefinition {
  readonly id: number
  /** undefined: attributes may go on in the next one, which is not read. */
  readonly format: TlvFormat | undefined
}

export class Dictionary {
  readonly #byName: ReadonlyMap<string, AttributeDefinition>
  readonly #byPlace = new Map<string, AttributeDefinition>()
  readonly #formats: ReadonlyMap<number, TlvFormat | undefined>

  /** Of several names of one attribute the first is what it decodes to. */
  constructor(attributes: readonly AttributeDefinition[], vendors: readonly VendorDefinition[]) {
    this.#byName = new Map(attributes.map(one => [one.name, one]))
    this.#formats = new Map(vendors.map(({ id, format }) => [id, format]))
    for (const one of attributes) {
      const place = placeKey(one.vendorId, one.path)
      if (!this.#byPlace.has(place)) this.#byPlace.set(place, one)
    }
  }

  get attributes(): Iterable<AttributeDefinition> {
    return this.#byPlace.values()
  }

  has(name: string): boolean {
    return this.#byName.has(name)
  }

  /** Also takes the names of attributes that no dictionary has: `Attr-N`, `Vendor-V-Attr-N`. */
  named(name: string): AttributeDefinition | undefined {
    return this.#byName.get(name) ?? numbered(name)
  }

  /** What it is called that came under its number. */
  meant(name: string): string | undefined {
    const place = this.#byName.has(name) ? undefined : numbered(name)
    return place && this.at(place.vendorId, place.path)?.name
  }

  at(vendorId: number, path: readonly number[]): AttributeDefinition | undefined {
    return this.#byPlace.get(placeKey(vendorId, path))
  }

  /** How the vendor frames its attributes; undefined where that cannot be read. */
  formatOf(vendorId: number): TlvFormat | undefined {
    return this.#formats.has(vendorId) ? this.#formats.get(vendorId) : PLAIN_TLV
  }
}

/** What an attribute is called that has no name, or whose value is none of its type. */
export function numberedName(vendorId: number, path: readonly number[]): string {
  return `${vendorId === 0 ? '' : `Vendor-${vendorId}-`}Attr-${path.join('.')}`
}

export const LARGEST_VENDOR = 0xffff_ffff
export const LARGEST_MEMBER = 255
const NUMBERED = /^(?:Vendor-([1-9]\d{0,9})-)?Attr-(\d{1,10}(?:\.\d{1,3})*)$/

function numbered(name: string): AttributeDefinition | undefined {
  const [, vendor = '0', numbers] = NUMBERED.exec(name) ?? []
  if (numbers === undefined) return undefined
  const path = numbers.split('.').map(Number)
  if (Number(vendor) > LARGEST_VENDOR || path.slice(1).some(member => member > LARGEST_MEMBER))
    return undefined
  const flags = { hasTag: false, encrypt: 0, concat: false } as const
  return { name, vendorId: Number(vendor), path, type: 'octets', ...flags, values: new Map() }
}

function placeKey(vendorId: number, path: readonly number[]): string {
  return `${vendorId}:${path.join('.')}`
}
