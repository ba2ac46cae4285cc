/** Security associations as `list-sas` tells of them, and which of them carries a tunnel. */
import type { Path, TunnelProtection } from 'burrow'
import { hostForm, type Selector, selectorOf } from './selectors.ts'
import { listOf, sectionOf, textOf, type ViciMessage } from './vici-codec.ts'

/** A CHILD_SA (of IKEv1: of quick mode) that is installed. */
export interface Sa {
  /** Unique, of its IKE_SA. */
  readonly ikeId: string
  /** Counts up: of two the higher is the younger. */
  readonly childId: number
  readonly localHost: string
  readonly remoteHost: string
  readonly transport: boolean
  readonly protection: TunnelProtection
  readonly local: readonly Selector[]
  readonly remote: readonly Selector[]
}

/** In these the kernel has its keys. A rekeyed one still takes what is on its way. */
const INSTALLED: ReadonlySet<string> = new Set(['INSTALLED', 'REKEYING', 'REKEYED', 'UPDATING'])

/** What one `list-sa` event tells of. */
export function sasOf(message: ViciMessage, services: ReadonlyMap<string, number>): readonly Sa[] {
  return Object.values(message).flatMap(value => {
    const ike = sectionOf(value)
    const ikeId = textOf(ike.uniqueid)
    if (ikeId === undefined) return []
    return Object.values(sectionOf(ike['child-sas'])).flatMap(
      child => saOf(ikeId, ike, sectionOf(child), services) ?? [],
    )
  })
}

function saOf(
  ikeId: string,
  ike: ViciMessage,
  child: ViciMessage,
  services: ReadonlyMap<string, number>,
): Sa | undefined {
  const { state, mode, uniqueid } = child
  if (!INSTALLED.has(textOf(state) ?? '')) return undefined
  const selectors = (key: string) => listOf(child[key]).flatMap(text => selectorOf(text, services) ?? [])
  return {
    ikeId,
    childId: Number(textOf(uniqueid) ?? 0),
    localHost: hostForm(textOf(ike['local-host']) ?? ''),
    remoteHost: hostForm(textOf(ike['remote-host']) ?? ''),
    transport: textOf(mode) === 'TRANSPORT',
    protection: {
      protocol: `IKEv${textOf(ike.version) ?? '?'}`,
      cipher: cipherOf(child),
      identity: identityOf(ike),
    },
    local: selectors('local-ts'),
    remote: selectors('remote-ts'),
  }
}

/** Whoever proved more than once is called by what was proved last. */
const identityOf = (ike: ViciMessage): string =>
  textOf(ike['remote-eap-id']) ?? textOf(ike['remote-xauth-id']) ?? textOf(ike['remote-id']) ?? ''

/** `ESP transport AES_CBC-256/HMAC_SHA2_256_128`; in UDP where a NAT is on the way. */
function cipherOf(child: ViciMessage): string {
  const part = (algorithm: string, size: string) => {
    const name = textOf(child[algorithm])
    const bits = textOf(child[size])
    return name === undefined ? [] : [bits === undefined ? name : `${name}-${bits}`]
  }
  const algorithms = [...part('encr-alg', 'encr-keysize'), ...part('integ-alg', 'integ-keysize')]
  const inUdp = child.encap === 'yes' ? ' in UDP' : ''
  const mode = (textOf(child.mode) ?? '').toLowerCase()
  return `${textOf(child.protocol) ?? '?'}${inUdp} ${mode} ${algorithms.join('/')}`
}

/**
 * In transport mode the addresses are those of the outer packet, which a NAT has changed after the ends agreed on selectors: there
 * the hosts of the SA count, and of selectors the ports, which no NAT sees. In tunnel mode selectors are of the inner packet.
 */
export function carries({ transport, localHost, remoteHost, local, remote }: Sa, path: Path): boolean {
  const [ours, theirs] = [hostForm(path.local.address), hostForm(path.remote.address)]
  if (transport && (localHost !== ours || remoteHost !== theirs)) return false
  const has = (selectors: readonly Selector[], address: string, port: number) =>
    selectors.some(one => one.hasPort(port) && (transport || one.hasAddress(address)))
  return has(local, ours, path.local.port) && has(remote, theirs, path.remote.port)
}

/** What is installed, by the peer that it is with. */
export class Sas {
  readonly #byIke = new Map<string, Sa[]>()
  readonly #byHost = new Map<string, Set<Sa>>()
  /** With whole networks. */
  readonly #wide = new Set<Sa>()

  /** All there is. */
  replaceAll(sas: readonly Sa[]): void {
    this.#byIke.clear()
    this.#byHost.clear()
    this.#wide.clear()
    for (const sa of sas) this.#add(sa)
  }

  /** All that one IKE_SA has; none where it is gone. */
  replace(ikeId: string, sas: readonly Sa[]): void {
    for (const sa of this.#byIke.get(ikeId) ?? []) this.#remove(sa)
    this.#byIke.delete(ikeId)
    for (const sa of sas) this.#add(sa)
  }

  /** The youngest that carries a tunnel of this path, with that peer where `identity` is given. */
  find(path: Path, identity?: string): Sa | undefined {
    const candidates = [...(this.#byHost.get(hostForm(path.remote.address)) ?? []), ...this.#wide]
    return candidates
      .filter(sa => (identity === undefined || sa.protection.identity === identity) && carries(sa, path))
      .sort((a, b) => b.childId - a.childId)[0]
  }

  /** CHILD_SAs. */
  get size(): number {
    return [...this.#byIke.values()].reduce((sum, { length }) => sum + length, 0)
  }

  #add(sa: Sa): void {
    const siblings = this.#byIke.get(sa.ikeId)
    if (siblings === undefined) this.#byIke.set(sa.ikeId, [sa])
    else siblings.push(sa)
    for (const host of hostsOf(sa)) {
      if (host === undefined) this.#wide.add(sa)
      else this.#byHost.set(host, (this.#byHost.get(host) ?? new Set()).add(sa))
    }
  }

  #remove(sa: Sa): void {
    this.#wide.delete(sa)
    for (const host of hostsOf(sa)) {
      const there = host === undefined ? undefined : this.#byHost.get(host)
      if (host === undefined || there === undefined) continue
      there.delete(sa)
      if (there.size === 0) this.#byHost.delete(host)
    }
  }
}

/** Where the packets of its peer come from; undefined: from a whole network. */
const hostsOf = ({ transport, remoteHost, remote }: Sa): readonly (string | undefined)[] =>
  transport ? [remoteHost] : remote.map(({ host }) => host)
