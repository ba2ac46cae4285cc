/** Reads dictionaries in FreeRADIUS's format (dictionary(5)) and tells every line that is wrong. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { BurrowError, type ErrorPlace, throwProblems } from 'burrow'
import {
  type AttributeDefinition,
  Dictionary,
  LARGEST_MEMBER,
  LARGEST_VENDOR,
  type VendorDefinition,
} from './dictionary.ts'
import { PLAIN_TLV, type TlvFormat } from './packet.ts'
import { NUMBER_TYPES, VALUE_TYPES, type ValueTypeName } from './values.ts'

type Draft = Omit<AttributeDefinition, 'values'>

/** Within one file. */
interface Scope {
  readonly file: string
  line: number
  /** Of BEGIN-VENDOR. */
  vendor: { readonly name: string; readonly id: number; readonly format: TlvFormat | undefined } | undefined
  /** Of each BEGIN-TLV that is open. */
  readonly tlvs: { readonly name: string; readonly path: readonly number[] }[]
  /** What the block is about can never stand in a packet, or is unknown and told. */
  skipping: boolean
}

/** By all the names that dictionaries use; what we cannot take apart is octets. */
const TYPES: ReadonlyMap<string, ValueTypeName> = new Map<string, ValueTypeName>([
  ...(Object.keys(VALUE_TYPES) as ValueTypeName[]).map(name => [name, name] as const),
  ['text', 'string'],
  ['bool', 'byte'],
  ['uint8', 'byte'],
  ['uint16', 'short'],
  ['uint32', 'integer'],
  ['uint64', 'integer64'],
  ['int32', 'signed'],
  ['time', 'date'],
  ['ipv4addr', 'ipaddr'],
  ['abinary', 'octets'],
  ['combo-ip', 'octets'],
  ['extended', 'octets'],
  ['extended-flags', 'octets'],
  ['long-extended', 'octets'],
  ['evs', 'octets'],
  ['vsa', 'octets'],
  ['struct', 'octets'],
])

export class DictionaryReader {
  readonly #drafts = new Map<string, Draft>()
  readonly #vendors = new Map<string, VendorDefinition>()
  readonly #values: { attribute: string; name: string; value: number; place: ErrorPlace }[] = []
  /** Names that may become those of other numbers. */
  readonly #replaceable = new Set<string>()
  /** Names of attributes that are never on the wire. */
  readonly #skipped = new Set<string>()
  readonly #seen = new Set<string>()
  readonly #problems: BurrowError[] = []

  readonly #statements: Readonly<
    Record<string, (words: readonly string[], scope: Scope) => string | undefined>
  > = {
    ATTRIBUTE: (words, scope) => this.#attribute(words, scope),
    VALUE: (words, scope) => this.#value(words, scope),
    VENDOR: words => this.#vendor(words),
    'BEGIN-VENDOR': (words, scope) => this.#beginVendor(words, scope),
    'END-VENDOR': (words, scope) => this.#endVendor(words, scope),
    'BEGIN-TLV': (words, scope) => this.#beginTlv(words, scope),
    'END-TLV': (words, scope) => this.#endTlv(words, scope),
    $INCLUDE: ([file], scope) => this.#include(file, scope, true),
    '$INCLUDE-': ([file], scope) => this.#include(file, scope, false),
  }

  /** Each file once, however often and from wherever it is named. */
  addFile(file: string): this {
    return this.#read(file, { file })
  }

  /** What was read so far gives way to what is read from now on. */
  asDefaults(): this {
    for (const name of this.#drafts.keys()) this.#replaceable.add(name)
    return this
  }

  addText(text: string, file: string): this {
    const scope: Scope = { file, line: 0, vendor: undefined, tlvs: [], skipping: false }
    for (const line of text.split('\n')) {
      scope.line++
      const [keyword = '', ...words] = line.replace(/#.*/, '').trim().split(/\s+/)
      if (keyword === '') continue
      const statement = this.#statements[keyword.toUpperCase()]
      this.#tell(statement ? statement(words, scope) : `"${keyword}" is not known here`, placeOf(scope))
    }
    const open = scope.tlvs.at(-1)?.name ?? scope.vendor?.name
    this.#tell(open && `the block of ${open} is not ended`, placeOf(scope))
    return this
  }

  /** Throws RADIUS_DICTIONARY with all that is wrong. */
  finish(): Dictionary {
    const values = new Map<string, Map<string, number>>()
    for (const { attribute, name, value, place } of this.#values) {
      const draft = this.#drafts.get(attribute)
      if (draft === undefined) {
        if (!this.#skipped.has(attribute)) this.#tell(`there is no attribute ${attribute}`, place)
      } else if (NUMBER_TYPES.has(draft.type)) {
        const names = values.get(attribute) ?? new Map<string, number>()
        values.set(attribute, names.set(name, value))
      } else if (draft.type !== 'octets') {
        // FreeRADIUS has names for some octets; they are of no use here.
        this.#tell(`${attribute} is ${draft.type}, whose values have no names`, place)
      }
    }
    throwProblems(this.#problems)
    const attributes = [...this.#drafts.values()].map(draft => ({
      ...draft,
      values: values.get(draft.name) ?? new Map<string, number>(),
    }))
    return new Dictionary(attributes, [...this.#vendors.values()])
  }

  #attribute([name, number, typeText, ...flagWords]: readonly string[], scope: Scope): string | undefined {
    if (name === undefined || number === undefined || typeText === undefined)
      return 'expected ATTRIBUTE name number type'
    const numbers = number.split('.').map(numberOf)
    const own = numbers.filter(one => one !== undefined)
    if (own.length < numbers.length) return `"${number}" is no number of an attribute`
    const [, typeName = '', exact] = /^([\w-]+)(?:\[(\d+)\])?$/.exec(typeText.toLowerCase()) ?? []
    const type = TYPES.get(typeName)
    if (type === undefined) return `"${typeText}" is no type of an attribute`
    const flags = flagWords.join(',').split(',')
    // Older dictionaries name the vendor at the end of the line.
    const vendor = scope.vendor ?? this.#vendors.get(flags.find(flag => this.#vendors.has(flag)) ?? '')
    const path = [...(scope.tlvs.at(-1)?.path ?? []), ...own]
    const vendorId = vendor?.id ?? 0
    if (scope.skipping || !this.#isOnWire(vendorId, path)) {
      this.#skipped.add(name)
      return undefined
    }
    const fault = this.#faultOf(name, vendor, path)
    if (fault !== undefined) return fault
    const encrypt = numberOf(flags.find(flag => flag.startsWith('encrypt='))?.slice('encrypt='.length) ?? '0')
    if (encrypt !== 0 && encrypt !== 1 && encrypt !== 2 && encrypt !== 3)
      return 'there are encrypt=1, encrypt=2 and encrypt=3'
    this.#replaceable.delete(name)
    this.#drafts.set(name, {
      name,
      vendorId,
      path,
      type,
      ...(type === 'octets' && exact !== undefined && { exactOctets: Number(exact) }),
      hasTag: flags.includes('has_tag'),
      encrypt,
      concat: flags.includes('concat'),
    })
    return undefined
  }

  #faultOf(name: string, vendor: VendorDefinition | undefined, path: readonly number[]): string | undefined {
    const [first = 0, ...members] = path
    const largest = 256 ** (vendor?.format?.typeOctets ?? 1) - 1
    if (first > largest || members.some(member => member === 0 || member > LARGEST_MEMBER))
      return `${path.join('.')} is out of range`
    const vendorId = vendor?.id ?? 0
    if (members.length > 0 && this.#typeAt(vendorId, path.slice(0, -1)) !== 'tlv')
      return `there is no TLV ${path.slice(0, -1).join('.')}`
    const before = this.#replaceable.has(name) ? undefined : this.#drafts.get(name)
    const moved = before !== undefined && !(before.vendorId === vendorId && sameNumbers(before.path, path))
    return moved ? `${name} is already the name of number ${before.path.join('.')}` : undefined
  }

  /** FreeRADIUS keeps names of its own above 255; what has parts, but is no TLV (RFC 6929), we take as octets. */
  #isOnWire(vendorId: number, path: readonly number[]): boolean {
    if (vendorId === 0 && (path[0] ?? 0) > LARGEST_MEMBER) return false
    const above = path.slice(0, -1).map((_, at) => this.#typeAt(vendorId, path.slice(0, at + 1)))
    return above.every(type => type === undefined || type === 'tlv')
  }

  #typeAt(vendorId: number, path: readonly number[]): ValueTypeName | undefined {
    return [...this.#drafts.values()].find(
      draft => draft.vendorId === vendorId && sameNumbers(draft.path, path),
    )?.type
  }

  #value([attribute, name, number]: readonly string[], scope: Scope): string | undefined {
    if (attribute === undefined || name === undefined || number === undefined)
      return 'expected VALUE attribute name number'
    const value = numberOf(number)
    if (value === undefined) return `"${number}" is no number`
    // Its attribute may come in a later file.
    this.#values.push({ attribute, name, value, place: placeOf(scope) })
    return undefined
  }

  #vendor([name, number, ...flags]: readonly string[]): string | undefined {
    const id = numberOf(number ?? '')
    if (name === undefined || id === undefined || id === 0 || id > LARGEST_VENDOR)
      return 'expected VENDOR name number'
    const text = flags.find(flag => flag.startsWith('format='))
    const [, type, length, goesOn] = /^format=([124]),([012])(,c)?$/.exec(text ?? 'format=1,1') ?? []
    if (type === undefined) return `"${text}" is no format: expected format=1|2|4,0|1|2`
    const format = { typeOctets: Number(type), lengthOctets: Number(length) } as TlvFormat
    this.#vendors.set(name, { id, format: goesOn === undefined ? format : undefined })
    return undefined
  }

  #beginVendor([name = '', parent]: readonly string[], scope: Scope): string | undefined {
    if (scope.vendor !== undefined) return `the block of ${scope.vendor.name} is not ended`
    const vendor = this.#vendors.get(name)
    scope.vendor = { name, id: vendor?.id ?? 0, format: vendor === undefined ? PLAIN_TLV : vendor.format }
    // With a parent it is about extended attributes (RFC 6929), which are octets to us.
    scope.skipping = vendor === undefined || parent !== undefined
    return vendor === undefined ? `there is no vendor "${name}"` : undefined
  }

  #endVendor([name = '']: readonly string[], scope: Scope): string | undefined {
    const open = scope.vendor?.name
    scope.vendor = undefined
    scope.skipping = false
    return open === name ? undefined : `"${name}" is not the vendor of this block`
  }

  #beginTlv([name = '']: readonly string[], scope: Scope): string | undefined {
    const draft = this.#drafts.get(name)
    scope.tlvs.push({ name, path: draft?.path ?? [] })
    return draft?.type === 'tlv' || this.#skipped.has(name) ? undefined : `there is no TLV "${name}"`
  }

  #endTlv([name = '']: readonly string[], scope: Scope): string | undefined {
    return scope.tlvs.pop()?.name === name ? undefined : `"${name}" is not the TLV of this block`
  }

  #include(file: string | undefined, scope: Scope, mustBe: boolean): string | undefined {
    if (file === undefined) return 'expected $INCLUDE file'
    const path = resolve(dirname(scope.file), file)
    if (mustBe || existsSync(path)) this.#read(path, placeOf(scope))
    return undefined
  }

  /** `place` says who names the file. */
  #read(file: string, place: ErrorPlace): this {
    const path = resolve(file)
    if (this.#seen.has(path)) return this
    this.#seen.add(path)
    let text: string
    try {
      text = readFileSync(path, 'utf8')
    } catch (cause) {
      this.#problems.push(new BurrowError('RADIUS_DICTIONARY', (cause as Error).message, place, { cause }))
      return this
    }
    return this.addText(text, path)
  }

  #tell(text: string | undefined, place: ErrorPlace): void {
    if (text) this.#problems.push(new BurrowError('RADIUS_DICTIONARY', text, place))
  }
}

/** Decimal, or hexadecimal with 0x. */
function numberOf(text: string): number | undefined {
  return /^(\d+|0x[\da-f]+)$/i.test(text) ? Number(text) : undefined
}

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((one, at) => one === b[at])
}

function placeOf({ file, line }: Scope): ErrorPlace {
  return { file, line }
}
