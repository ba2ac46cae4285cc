/**
 * Whether an accept is for the tunnel that the call came through. An accept may carry several sets of tunnel attributes, told
 * apart by their tags: one of them must fit (RFC 2868 3.1: else it is a reject).
 */
import type { RadiusAttribute, RadiusValue, TunnelInfo } from 'burrow'
import { sameForm } from './prefixes.ts'

const L2TP = 3
const MEDIUM = { IPV4: 1, IPV6: 2 }

type Fits = (value: RadiusValue, tunnel: TunnelInfo) => boolean

/** What a set says of its tunnel, and when that is this one. Names of hosts are not looked up: they fit nothing. */
export const TUNNEL_ATTRIBUTES: Readonly<Record<string, { readonly since: string; readonly fits: Fits }>> = {
  'Tunnel-Type': { since: 'RFC 2868 3.1', fits: value => value === L2TP },
  'Tunnel-Medium-Type': {
    since: 'RFC 2868 3.2',
    fits: (value, { path }) => value === (path.local.address.includes(':') ? MEDIUM.IPV6 : MEDIUM.IPV4),
  },
  'Tunnel-Client-Endpoint': {
    since: 'RFC 2868 3.3',
    fits: (value, { path }) => sameForm(String(value)) === sameForm(path.remote.address),
  },
  'Tunnel-Server-Endpoint': {
    since: 'RFC 2868 3.4',
    fits: (value, { path }) => sameForm(String(value)) === sameForm(path.local.address),
  },
  'Tunnel-Client-Auth-Id': {
    since: 'RFC 2868 3.9',
    fits: (value, { peerHostName }) => value === peerHostName,
  },
}

/** Why no set fits, of the first; undefined: one fits, or there is none. */
export function tunnelFault(attributes: readonly RadiusAttribute[], tunnel: TunnelInfo): string | undefined {
  const sets = new Map<number, RadiusAttribute[]>()
  for (const attribute of attributes) {
    if (!Object.hasOwn(TUNNEL_ATTRIBUTES, attribute.name)) continue
    const { tag = 0 } = attribute
    sets.set(tag, [...(sets.get(tag) ?? []), attribute])
  }
  const misfits = [...sets.values()].map(set =>
    set.find(({ name, value }) => TUNNEL_ATTRIBUTES[name]?.fits(value, tunnel) === false),
  )
  const [first] = misfits
  return first === undefined || misfits.includes(undefined)
    ? undefined
    : `it is for another tunnel than this: ${first.name} is ${String(first.value)}`
}
