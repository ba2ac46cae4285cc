/** IPv6 addresses (RFC 4291) as text and as 16 octets. */

export const IPV6_ADDRESS_BYTES = 16
const GROUPS = 8
const GROUP = /^[\da-f]{1,4}$/i

/** Undefined for what is no address; a zone or a dotted tail is none. */
export function parseIpv6(text: string): Uint8Array | undefined {
  const [head = '', tail, ...more] = text.split('::')
  if (more.length > 0) return undefined
  const before = groupsOf(head)
  const after = tail === undefined ? [] : groupsOf(tail)
  if (before === undefined || after === undefined) return undefined
  const missing = GROUPS - before.length - after.length
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined
  const bytes = new Uint8Array(IPV6_ADDRESS_BYTES)
  for (const [index, group] of [...before, ...Array<number>(missing).fill(0), ...after].entries())
    bytes.set([group >> 8, group & 0xff], 2 * index)
  return bytes
}

function groupsOf(text: string): readonly number[] | undefined {
  if (text === '') return []
  const groups = text.split(':')
  return groups.every(group => GROUP.test(group))
    ? groups.map(group => Number.parseInt(group, 16))
    : undefined
}

/** The one form of RFC 5952; `bytes` are 16. */
export function formatIpv6(bytes: Uint8Array): string {
  const groups = Array.from({ length: GROUPS }, (_, index) =>
    (((bytes[2 * index] ?? 0) << 8) | (bytes[2 * index + 1] ?? 0)).toString(16),
  )
  // The longest run of zeros, the first of several, if it is longer than one.
  const [run] = [...groups.join(':').matchAll(/(?<=^|:)0(?::0)+(?=:|$)/g)]
    .map(({ 0: text, index }) => ({ text, index }))
    .sort((a, b) => b.text.length - a.text.length || a.index - b.index)
  const whole = groups.join(':')
  if (run === undefined) return whole
  const [before, after] = [whole.slice(0, run.index), whole.slice(run.index + run.text.length)]
  return `${before.replace(/:$/, '')}::${after.replace(/^:/, '')}`
}

/** `address/length` with its host bits cleared; undefined for anything else. */
export function parseIpv6Prefix(
  text: string,
): { readonly bytes: Uint8Array; readonly length: number } | undefined {
  const [address = '', bits = '', ...more] = text.split('/')
  const bytes = parseIpv6(address)
  if (bytes === undefined || more.length > 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > 128)
    return undefined
  const length = Number(bits)
  return {
    bytes: bytes.map((octet, at) => octet & (0xff00 >> Math.min(Math.max(length - 8 * at, 0), 8))),
    length,
  }
}

/** The address of an interface identifier, 16 hex digits, in a /64. */
export function addressIn(prefix: Uint8Array, identifier: string): Uint8Array {
  const address = prefix.slice()
  address.set(Buffer.from(identifier, 'hex'), 8)
  return address
}

const LINK_LOCAL_PREFIX = Uint8Array.from({ length: IPV6_ADDRESS_BYTES }, (_, at) => [0xfe, 0x80][at] ?? 0)

/** fe80:: and an interface identifier. */
export const linkLocal = (identifier: string): Uint8Array => addressIn(LINK_LOCAL_PREFIX, identifier)

export const isLinkLocal = ([first = 0, second = 0]: Uint8Array): boolean =>
  first === 0xfe && (second & 0xc0) === 0x80
export const isMulticast = ([first]: Uint8Array): boolean => first === 0xff
