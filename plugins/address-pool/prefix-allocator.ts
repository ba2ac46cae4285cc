/** Leases IPv6 prefixes of one kind: out of named pools, the user's last one where it is free, or the one that a grant names. */
import {
  type AssignCall,
  type AssignVerdict,
  type Grant,
  type Ipv6Block,
  ipv6BlockOf,
  ipv6BlockText,
  ipv6Number,
  isInIpv6Blocks,
  type Lease,
  type Random,
  type SessionInfo,
} from 'burrow'
import type { Options, PrefixPoolOptions } from './config.ts'
import type { Holder } from './leases.ts'
import { CONTENDED, type MakeWayParts, makeWay, NOBODY } from './make-way.ts'
import type { PrefixLeases } from './prefix-leases.ts'

interface PrefixAllocatorParts extends MakeWayParts {
  readonly kind: 'ipv6-prefix' | 'delegated-prefix'
  readonly pools: Readonly<Record<string, PrefixPoolOptions>>
  readonly options: Options
  readonly leases: PrefixLeases
  readonly random: Random
}

/** What a grant says of each kind. */
const GRANTED = {
  'ipv6-prefix': {
    what: 'prefix',
    prefix: ({ ipv6Prefix }: Grant) => ipv6Prefix,
    pool: ({ ipv6Pool }: Grant) => ipv6Pool,
  },
  'delegated-prefix': {
    what: 'delegated prefix',
    prefix: ({ delegatedPrefix }: Grant) => delegatedPrefix,
    pool: (): string | undefined => undefined,
  },
} as const

export class PrefixAllocator {
  readonly #parts: PrefixAllocatorParts
  readonly #pools: readonly PrefixPool[]

  constructor(parts: PrefixAllocatorParts) {
    this.#parts = parts
    this.#pools = Object.entries(parts.pools).map(([name, pool]) => new PrefixPool(name, pool))
    for (const [name, { prefixes }] of Object.entries(parts.pools)) parts.server.declarePool(name, prefixes)
  }

  /** Undefined: a session does without. */
  async assign(call: AssignCall): Promise<AssignVerdict | undefined> {
    const named = GRANTED[this.#parts.kind].prefix(call.grant)
    return named === undefined ? this.#fromPool(call) : this.#static(named, call)
  }

  release({ value, id }: Lease): void {
    this.#parts.leases.release(value, id)
  }

  /** After a restart or a reload. A prefix that this config would not give to `grant` is not given back. */
  resume({ value, id }: Lease, session: SessionInfo, grant: Grant): boolean {
    const { leases, kind } = this.#parts
    const block = blockOf(value)
    if (block === undefined || this.#isOwn(block)) return false
    const named = GRANTED[kind].prefix(grant)
    const pooled = this.#poolOf(grant)?.gives(block) ?? false
    if (named === undefined ? !pooled : textOf(named) !== value) return false
    const holder = leases.holderOf(block)
    if (holder !== undefined) return holder.leaseId === id
    leases.claim(block, { leaseId: id, user: session.user ?? NOBODY, session: session.id }, pooled)
    return true
  }

  #fromPool(call: AssignCall): AssignVerdict | undefined {
    const { leases, kind, options, pools } = this.#parts
    const { what, pool: poolOf } = GRANTED[kind]
    const pool = this.#poolOf(call.grant)
    if (pool === undefined) {
      const name = poolOf(call.grant)
      if (name === undefined || options.unknownPool === 'next') return undefined
      const known = Object.keys(pools).join(', ') || 'none'
      return refuse(`there is no pool of prefixes "${name}" (there are: ${known})`)
    }
    const isFree = (block: Ipv6Block) => !leases.isTaken(block) && !this.#isOwn(block)
    const last = blockOf(leases.lastOf(this.#stickyKey(call.grant)) ?? '')
    if (last !== undefined && pool.gives(last) && isFree(last)) return this.#claim(last, call, true)
    const found = pool.find(isFree)
    if (found === undefined)
      return refuse(`pool "${pool.name}" is exhausted: all of its ${pool.size} ${what}es are in use`)
    if (!call.dryRun) pool.passBy(found.index)
    return this.#claim(found.block, call, true)
  }

  async #static(text: string, call: AssignCall): Promise<AssignVerdict> {
    const { leases, kind } = this.#parts
    const no = (why: string) => refuse(`the static ${GRANTED[kind].what} ${text} ${why}`)
    const block = blockOf(text)
    if (block === undefined) return no('is no IPv6 prefix')
    if (this.#isOwn(block)) return no('holds an address of this host')
    const holder = leases.holderOf(block)
    if (holder === undefined) return this.#claim(block, call, false)
    const way = await makeWay(this.#parts, ipv6BlockText(block), holder, call)
    if ('no' in way) return no(way.no)
    if (call.dryRun)
      return this.#claim(block, call, false, `session ${way.ended.id} of the same user would be ended`)
    if (call.signal.aborted || leases.holderOf(block) !== undefined) return no(CONTENDED)
    return this.#claim(block, call, false)
  }

  /** `reason`: for the trail. A dry run is told the prefix, and does not get it. */
  #claim(
    block: Ipv6Block,
    { grant, session, dryRun }: AssignCall,
    pooled: boolean,
    reason?: string,
  ): AssignVerdict {
    const { leases, random, options } = this.#parts
    const value = ipv6BlockText(block)
    if (dryRun) return { kind: 'lease', value, id: 'dry-run', ...(reason === undefined ? {} : { reason }) }
    const id = Buffer.from(random.bytes(8)).toString('hex')
    const holder: Holder = { leaseId: id, user: grant.user, session: session.id }
    leases.claim(block, holder, pooled)
    if (grant.user !== NOBODY && pooled) leases.remember(this.#stickyKey(grant), value, options.stickyUsers)
    return { kind: 'lease', value, id }
  }

  #stickyKey({ user }: Grant): string {
    return `${this.#parts.kind} ${user}`
  }

  #poolOf(grant: Grant): PrefixPool | undefined {
    const name = GRANTED[this.#parts.kind].pool(grant) ?? this.#pools[0]?.name
    return this.#pools.find(pool => pool.name === name)
  }

  #isOwn(block: Ipv6Block): boolean {
    return this.#parts.server.ownAddresses().some(text => {
      const address = ipv6Number(text)
      return address !== undefined && isInIpv6Blocks([block], address)
    })
  }
}

/** The prefixes of one length out of some larger ones, by number. */
class PrefixPool {
  readonly name: string
  readonly size: number
  readonly #blocks: readonly Ipv6Block[]
  readonly #length: number
  /** Where the search goes on: a prefix that was just freed comes last, so its user may find it again. */
  #next = 0

  constructor(name: string, { prefixes, length }: PrefixPoolOptions) {
    this.name = name
    this.#length = length
    this.#blocks = prefixes.flatMap(prefix => ipv6BlockOf(prefix) ?? [])
    this.size = this.#blocks.reduce((sum, block) => sum + this.#share(block), 0)
  }

  gives({ first, length }: Ipv6Block): boolean {
    return length === this.#length && isInIpv6Blocks(this.#blocks, first)
  }

  find(
    isFree: (block: Ipv6Block) => boolean,
  ): { readonly block: Ipv6Block; readonly index: number } | undefined {
    for (let step = 0; step < this.size; step++) {
      const index = (this.#next + step) % this.size
      const block = this.#at(index)
      if (block !== undefined && isFree(block)) return { block, index }
    }
    return undefined
  }

  passBy(index: number): void {
    this.#next = (index + 1) % this.size
  }

  #at(index: number): Ipv6Block | undefined {
    let left = index
    for (const block of this.#blocks) {
      const share = this.#share(block)
      if (left < share)
        return { first: block.first + (BigInt(left) << BigInt(128 - this.#length)), length: this.#length }
      left -= share
    }
    return undefined
  }

  #share({ length }: Ipv6Block): number {
    return 2 ** (this.#length - length)
  }
}

const refuse = (reason: string): AssignVerdict => ({ kind: 'refuse', reason })

function blockOf(text: string): Ipv6Block | undefined {
  const [address = '', length = ''] = text.split('/')
  return length === '' ? undefined : ipv6BlockOf({ address, length: Number(length) })
}

const textOf = (text: string): string | undefined => {
  const block = blockOf(text)
  return block && ipv6BlockText(block)
}
