import {
  type AssignCall,
  type AssignVerdict,
  formatIpv4,
  type Grant,
  isInRanges,
  type Lease,
  parseIpv4,
  prefixesOf,
  type Random,
  type SessionInfo,
} from 'burrow'
import { NOT_UNICAST, type Options } from './config.ts'
import type { Leases } from './leases.ts'
import { CONTENDED, type MakeWayParts, makeWay, NOBODY } from './make-way.ts'
import { edgesOf, Pool } from './pool.ts'

interface AllocatorParts extends MakeWayParts {
  readonly options: Options
  readonly leases: Leases
  readonly random: Random
}

export class Allocator {
  readonly #parts: AllocatorParts
  readonly #pools: readonly Pool[]
  readonly #reserved: ReturnType<typeof edgesOf>

  constructor(parts: AllocatorParts) {
    const { options, server } = parts
    const gateway = parseIpv4(server.gatewayAddress) ?? 0
    this.#parts = parts
    this.#reserved = [{ first: gateway, last: gateway }, ...edgesOf(options.pools)]
    this.#pools = Object.entries(options.pools).map(([name, pool]) => new Pool(name, pool, this.#reserved))
    for (const { name, ranges } of this.#pools) server.declarePool(name, ranges.flatMap(prefixesOf))
  }

  async assign(call: AssignCall): Promise<AssignVerdict | undefined> {
    return call.grant.address === undefined ? this.#fromPool(call) : this.#static(call.grant.address, call)
  }

  release({ value, id }: Lease): void {
    const address = parseIpv4(value)
    if (address !== undefined) this.#parts.leases.release(address, id)
  }

  /** After a restart or a reload. An address that this config would not give to `grant` is not given back. */
  resume({ value, id }: Lease, session: SessionInfo, grant: Grant): boolean {
    const { leases } = this.#parts
    const address = parseIpv4(value)
    if (address === undefined || this.#isReserved(address)) return false
    const gives = grant.address === undefined ? this.#poolOf(grant)?.gives(address) : grant.address === value
    if (gives !== true) return false
    const holder = leases.holderOf(address)
    if (holder !== undefined) return holder.leaseId === id
    leases.claim(address, { leaseId: id, user: session.user ?? NOBODY, session: session.id })
    return true
  }

  #fromPool(call: AssignCall): AssignVerdict | undefined {
    const { grant } = call
    const { options, leases } = this.#parts
    const pool = this.#poolOf(grant)
    if (pool === undefined) {
      if (options.unknownPool === 'next') return undefined
      return refuse(`there is no pool "${grant.pool}" (there are: ${Object.keys(options.pools).join(', ')})`)
    }
    const usable = (address: number) => !this.#isReserved(address)
    const last = leases.lastOf(grant.user)
    const isFree = last !== undefined && pool.gives(last) && leases.holderOf(last) === undefined
    if (isFree && usable(last)) return this.#claim(last, call)
    const address = pool.find(leases, usable)
    if (address !== undefined && !call.dryRun) pool.passBy(address)
    if (address !== undefined) return this.#claim(address, call)
    return refuse(`pool "${pool.name}" is exhausted: all of its ${pool.size} addresses are in use`)
  }

  async #static(text: string, call: AssignCall): Promise<AssignVerdict> {
    const { leases } = this.#parts
    const no = (why: string) => refuse(`the static address ${text} ${why}`)
    const address = parseIpv4(text)
    if (address === undefined || isInRanges(NOT_UNICAST, address)) return no('is no address of a host')
    if (this.#isReserved(address)) return no('is the gateway, an edge of its network, or our own')
    const holder = leases.holderOf(address)
    if (holder === undefined) return this.#claim(address, call)
    const way = await makeWay(this.#parts, text, holder, call)
    if ('no' in way) return no(way.no)
    if (call.dryRun)
      return this.#claim(address, call, `session ${way.ended.id} of the same user would be ended`)
    if (call.signal.aborted || leases.holderOf(address) !== undefined) return no(CONTENDED)
    return this.#claim(address, call)
  }

  /** `reason`: for the trail. A dry run is told the address, and does not get it. */
  #claim(address: number, { grant, session, dryRun }: AssignCall, reason?: string): AssignVerdict {
    const { leases, random, options } = this.#parts
    const value = formatIpv4(address)
    if (dryRun) return { kind: 'lease', value, id: 'dry-run', ...(reason === undefined ? {} : { reason }) }
    const unique = Buffer.from(random.bytes(8)).toString('hex')
    const id = `${this.#poolNameOf(address)}/${unique}`
    leases.claim(address, { leaseId: id, user: grant.user, session: session.id })
    if (grant.user !== NOBODY) leases.remember(grant.user, address, options.stickyUsers)
    return { kind: 'lease', value, id }
  }

  #poolOf({ pool = this.#parts.options.defaultPool ?? this.#pools[0]?.name }: Grant): Pool | undefined {
    return this.#pools.find(({ name }) => name === pool)
  }

  #isReserved(address: number): boolean {
    const own = this.#parts.server.ownAddresses()
    return isInRanges(this.#reserved, address) || own.includes(formatIpv4(address))
  }

  /** Empty for an address outside all pools. */
  #poolNameOf(address: number): string {
    return this.#pools.find(pool => pool.has(address))?.name ?? ''
  }
}

const refuse = (reason: string): AssignVerdict => ({ kind: 'refuse', reason })
