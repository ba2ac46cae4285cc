/** What lies behind each flow: the addresses that it may send from, and the way to it. */
import type { Prefix } from '../flow.ts'
import { type Ipv4Prefix, ipv4Prefixes, ipv6Prefixes } from './prefix.ts'
import { PrefixTable } from './prefix-table.ts'
import { type Ipv6Prefix, PrefixTable6 } from './prefix-table6.ts'

/** The prefixes of one flow, read once. */
export interface OwnPrefixes {
  readonly ipv4: readonly Ipv4Prefix[]
  readonly ipv6: readonly Ipv6Prefix[]
}

const NONE: OwnPrefixes = { ipv4: [], ipv6: [] }

/** Throws FLOW_REFUSED for what is no prefix. */
export const readPrefixes = (prefixes: readonly Prefix[]): OwnPrefixes => ({
  ipv4: ipv4Prefixes(prefixes),
  ipv6: ipv6Prefixes(prefixes),
})

export class FlowPrefixes {
  /** By flow id. */
  readonly #own: OwnPrefixes[] = []
  readonly #routes4 = new PrefixTable()
  readonly #routes6 = new PrefixTable6()
  /** Flows that claim a prefix; the last one has it. */
  readonly #claims = new Map<string, readonly number[]>()

  /** The flow behind which the IPv4 address lies, or -1. */
  route4(destination: number): number {
    return this.#routes4.lookup(destination)
  }

  /** The flow behind which the IPv6 address at `at` lies, or -1. */
  route6(view: DataView, at: number): number {
    return this.#routes6.lookup(view, at)
  }

  owns4(flow: number, source: number): boolean {
    const prefixes = this.#of(flow).ipv4
    for (let i = 0; i < prefixes.length; i++) {
      const prefix = prefixes[i]
      if (prefix !== undefined && (source & prefix.mask) === prefix.address) return true
    }
    return false
  }

  owns6(flow: number, view: DataView, at: number): boolean {
    const prefixes = this.#of(flow).ipv6
    for (let i = 0; i < prefixes.length; i++) {
      const prefix = prefixes[i]
      if (prefix !== undefined && holds6(prefix, view, at)) return true
    }
    return false
  }

  hasIpv6(flow: number): boolean {
    return this.#of(flow).ipv6.length > 0
  }

  set(flow: number, prefixes: OwnPrefixes): void {
    this.clear(flow)
    this.#own[flow] = prefixes
    for (const prefix of prefixes.ipv4)
      this.#claim(`${prefix.address}/${prefix.length}`, flow, owner => this.#point4(prefix, owner))
    for (const prefix of prefixes.ipv6)
      this.#claim(`${prefix.words.join(':')}/${prefix.length}`, flow, owner => this.#point6(prefix, owner))
  }

  clear(flow: number): void {
    const { ipv4, ipv6 } = this.#of(flow)
    this.#own[flow] = NONE
    for (const prefix of ipv4)
      this.#unclaim(`${prefix.address}/${prefix.length}`, flow, heir => this.#point4(prefix, heir))
    for (const prefix of ipv6)
      this.#unclaim(`${prefix.words.join(':')}/${prefix.length}`, flow, heir => this.#point6(prefix, heir))
  }

  #of(flow: number): OwnPrefixes {
    return this.#own[flow] ?? NONE
  }

  #claim(key: string, flow: number, point: (owner: number) => void): void {
    this.#claims.set(key, [...(this.#claims.get(key) ?? []), flow])
    point(flow)
  }

  #unclaim(key: string, flow: number, point: (heir: number | undefined) => void): void {
    const left = (this.#claims.get(key) ?? []).filter(claimant => claimant !== flow)
    if (left.length === 0) this.#claims.delete(key)
    else this.#claims.set(key, left)
    point(left.at(-1))
  }

  #point4({ address, length }: Ipv4Prefix, owner: number | undefined): void {
    if (owner === undefined) this.#routes4.delete(address, length)
    else this.#routes4.set(address, length, owner)
  }

  #point6(prefix: Ipv6Prefix, owner: number | undefined): void {
    if (owner === undefined) this.#routes6.delete(prefix)
    else this.#routes6.set(prefix, owner)
  }
}

function holds6({ words, masks }: Ipv6Prefix, view: DataView, at: number): boolean {
  return (
    (view.getInt32(at) & masks[0]) === words[0] &&
    (view.getInt32(at + 4) & masks[1]) === words[1] &&
    (view.getInt32(at + 8) & masks[2]) === words[2] &&
    (view.getInt32(at + 12) & masks[3]) === words[3]
  )
}
