/**
 * From the attributes of an accept to the grant. What narrows a session, or says who it is, and cannot be honoured refuses it;
 * what only adds to it is left out, and logged. What is not known says nothing (RFC 2865 5).
 */
import type { Grant, RadiusAttribute, RadiusClient, RadiusValue } from 'burrow'
import { addRoute, type Circumstances, type Draft } from './draft.ts'
import { complete, rowFor, unfitOf, vendorOf } from './honoured.ts'
import { netAround } from './prefixes.ts'
import { tunnelFault } from './tunnel-fit.ts'

/** What stands in a packet under this name could not be taken apart. */
const VENDOR_SPECIFIC = 'Attr-26'
/** The length of a prefix that is one address. */
const HOST_BITS = 32

/** What an accept comes to. */
export type Granted =
  | {
      readonly kind: 'grant'
      readonly grant: Omit<Grant, 'user'>
      /** Attributes that were left out, and why. */
      readonly ignored: readonly string[]
    }
  | { readonly kind: 'refuse'; readonly reason: string }

export function grantOf(
  attributes: readonly RadiusAttribute[],
  circumstances: Circumstances,
  meant: RadiusClient['meant'],
): Granted {
  const draft: Draft = {}
  const seen = new Map<string, string>()
  const ignored: string[] = []
  for (const attribute of attributes) {
    const vendor = attribute.name === VENDOR_SPECIFIC ? vendorOf(attribute.value) : undefined
    if (vendor !== undefined)
      return { kind: 'refuse', reason: `a Vendor-Specific attribute of ${vendor} is malformed` }
    const malformed = meant(attribute.name)
    if (malformed !== undefined && unfitOf(malformed) === 'refuse')
      return { kind: 'refuse', reason: `${malformed} is malformed` }
    if (malformed !== undefined && unfitOf(malformed) === 'ignore') ignored.push(`${malformed} is malformed`)
    const entry = rowFor(attribute)
    if (entry === undefined) continue
    const [name, row, value] = entry
    const before = seen.get(name)
    seen.set(name, before ?? keyOf(value))
    const contradicts = row.many !== true && before !== undefined && before !== keyOf(value)
    const fault = contradicts ? 'stands twice, and differs' : row.take(draft, value, circumstances)
    if (fault === undefined) continue
    if (row.unfit === 'refuse') return { kind: 'refuse', reason: `${name} ${fault}` }
    ignored.push(`${name} ${fault}`)
  }
  const misfit = tunnelFault(attributes, circumstances.tunnel)
  if (misfit !== undefined) return { kind: 'refuse', reason: misfit }
  const { netmaskLength, ...grant } = complete(draft)
  const fault = netmaskLength === undefined ? undefined : routeNet(grant, netmaskLength, circumstances)
  return {
    kind: 'grant',
    grant,
    ignored: fault === undefined ? ignored : [...ignored, `Framed-IP-Netmask ${fault}`],
  }
}

/** A user that is a router, with a net of its own (RFC 2865 5.9). Says why that cannot be. */
function routeNet(grant: Draft, length: number, circumstances: Circumstances): string | undefined {
  const { address } = grant
  if (address === undefined) return 'stands without a Framed-IP-Address'
  const net = netAround(address, length)
  return net === undefined || length === HOST_BITS || !circumstances.routesNetmask
    ? undefined
    : addRoute(grant, net, circumstances)
}

const keyOf = (value: RadiusValue) =>
  value instanceof Uint8Array ? Buffer.from(value).toString('hex') : `${value}`
