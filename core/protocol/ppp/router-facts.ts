/** What the router of a link has said, by its advertisements, and until when it counts (RFC 4861 6.3.4, RFC 4862 5.5.3, RFC 8106). */
import type { Milliseconds } from '../../ports.ts'
import { type RouterAdvertisement, SLAAC_LENGTH } from '../../wire/icmpv6.ts'
import { addressIn, formatIpv6, isLinkLocal, isMulticast } from '../../wire/ipv6.ts'
import { IPV6_LEAST_MTU_BYTES } from '../../wire/ipv6-packet.ts'
import type { SessionIpv6 } from '../outputs.ts'

/** What the router said, and until when it counts, by our own clock. */
interface Said<T> {
  readonly value: T
  readonly until: Milliseconds
}

export interface HostState {
  /** How many solicitations went out. */
  solicitations: number
  /** Absent: nobody routes, and of nothing below is made use. */
  routerUntil?: Milliseconds | undefined
  address?: Said<string> | undefined
  dns?: Said<readonly string[]> | undefined
  mtuBytes?: number | undefined
}

/** RFC 8106 5.3.1. */
const MOST_DNS = 3

/** What the session is told of it. */
export function learned(host: HostState | undefined): Pick<SessionIpv6, 'address' | 'dns' | 'mtuBytes'> {
  const { address, dns, mtuBytes } = host ?? {}
  return {
    ...(address && { address: address.value }),
    ...(dns && { dns: dns.value }),
    ...(mtuBytes !== undefined && { mtuBytes }),
  }
}

/** Nobody routes any more. */
export function forget(host: HostState): void {
  host.routerUntil = undefined
  host.address = undefined
  host.dns = undefined
  host.mtuBytes = undefined
}

/** An advertisement; what it does not speak of stays as it is (RFC 4861 6.3.4): it may be one of several, each with a part. */
export function heed(
  host: HostState,
  said: RouterAdvertisement,
  {
    identifier,
    now,
    mostMtuBytes,
  }: { readonly identifier: string; readonly now: Milliseconds; readonly mostMtuBytes: number },
): void {
  const after = (lifetimeS: number) => now + 1000 * lifetimeS
  host.routerUntil = after(said.lifetimeS)

  const prefixes = said.prefixes.filter(isOfUse).map(prefix => ({
    ...prefix,
    value: formatIpv6(addressIn(prefix.bytes, identifier)),
  }))
  const valid = prefixes.filter(({ validS }) => validS > 0)
  const kept = valid.filter(({ value }) => value === host.address?.value)
  const [best] = [...[...kept, ...valid].filter(({ preferredS }) => preferredS > 0), ...kept, ...valid]
  if (best !== undefined) host.address = { value: best.value, until: after(best.validS) }
  // RFC 4862 5.5.3 would have it live on for two hours, lest a stranger takes it away: here the only neighbour gave it.
  else if (prefixes.some(({ value }) => value === host.address?.value)) host.address = undefined

  if (said.dns.length > 0) {
    const options = said.dns.filter(({ lifetimeS }) => lifetimeS > 0)
    const servers = options.flatMap(option => option.servers).slice(0, MOST_DNS)
    const lifetimeS = Math.min(...options.map(option => option.lifetimeS))
    host.dns = servers.length > 0 ? { value: servers.map(formatIpv6), until: after(lifetimeS) } : undefined
  }
  if (said.mtuBytes >= IPV6_LEAST_MTU_BYTES && said.mtuBytes <= mostMtuBytes) host.mtuBytes = said.mtuBytes
}

/** RFC 4862 5.5.3: of what hosts may make an address. */
function isOfUse({
  bytes,
  length,
  isAutonomous,
  validS,
  preferredS,
}: RouterAdvertisement['prefixes'][number]) {
  const isBeyondLink = !isLinkLocal(bytes) && !isMulticast(bytes)
  return isAutonomous && length === SLAAC_LENGTH && preferredS <= validS && isBeyondLink
}
