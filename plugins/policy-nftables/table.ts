/** The table in the kernel: which session has which rules. Changes go in together, one transaction after the other. */
import { createHash } from 'node:crypto'
import { type AclRule, BurrowError, type Logger, NftTable, type RuleHits } from 'burrow'
import type { Options } from './config.ts'
import { chainName, chainsOf, quoted, type RuleList } from './render.ts'

interface Holding {
  readonly list: RuleList
  /** Addresses and prefixes. */
  readonly ends: readonly string[]
}

interface Kept extends RuleList {
  users: number
}

/** Beyond what half of a mark can tell apart. */
const MOST_LISTS = 0xfffe
/** By which this host says no: the kernel sends them of connections that never came to be. */
const REFUSALS = [
  'icmp type { destination-unreachable, time-exceeded, parameter-problem }',
  'icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem }',
  'tcp flags & (syn | rst) == rst',
] as const
const ADDED = ['from', 'to', 'from_host', 'to_host'] as const

export class Table {
  readonly #name: string
  readonly #tunName: string
  readonly #options: Options
  readonly #table: NftTable
  readonly #lists = new Map<string, Kept>()
  readonly #sessions = new Map<string, Holding>()
  readonly #counters = new Map<string, string>()
  #lastNumber = 0

  constructor(tunName: string, options: Options, log: Logger) {
    this.#name = `burrow_${tunName.replace(/\W/g, '_')}`
    this.#tunName = tunName
    this.#options = options
    this.#table = new NftTable({
      name: this.#name,
      program: options.nft,
      log,
      content: () => this.#content(),
    })
  }

  /** Throws NFTABLES. */
  open(): Promise<void> {
    return this.#table.open()
  }

  close(): Promise<void> {
    return this.#table.close()
  }

  mend(): Promise<void> {
    return this.#table.mend()
  }

  /** Resolves when the kernel has it. Throws NFTABLES. */
  set(session: string, rules: readonly AclRule[], ends: readonly string[]): Promise<void> {
    const list = this.#listOf(rules)
    const before = this.#sessions.get(session)
    this.#sessions.set(session, { list, ends })
    const taken = before === undefined ? [] : this.#without(before)
    return this.#table.change([
      ...this.#introduced(list),
      ...taken,
      ...this.#elements('add', { list, ends }),
      ...this.#released(before),
    ])
  }

  remove(session: string): Promise<void> {
    const before = this.#sessions.get(session)
    if (before === undefined) return Promise.resolve()
    this.#sessions.delete(session)
    return this.#table.change([...this.#without(before), ...this.#released(before)])
  }

  /** What each rule decided on. */
  async hits(): Promise<readonly RuleHits[]> {
    const names = new Map([...this.#counters].map(([name, id]) => [id, name]))
    const counted = await this.#table.counters()
    return counted.map(one => ({ ...one, name: names.get(one.name) ?? '' }))
  }

  #listOf(rules: readonly AclRule[]): Kept {
    const key = createHash('sha256').update(JSON.stringify(rules)).digest('hex')
    const known = this.#lists.get(key)
    if (known !== undefined) {
      known.users++
      return known
    }
    if (this.#lists.size >= MOST_LISTS)
      throw new BurrowError('NFTABLES', `more than ${MOST_LISTS} lists of rules`)
    const inUse = new Set([...this.#lists.values()].map(({ number }) => number))
    do this.#lastNumber = (this.#lastNumber % MOST_LISTS) + 1
    while (inUse.has(this.#lastNumber))
    const made = { number: this.#lastNumber, rules, users: 1 }
    this.#lists.set(key, made)
    return made
  }

  /** What the kernel is to know of a list before a session has it; nothing, where one has. */
  #introduced(list: Kept): readonly string[] {
    if (list.users > 1) return []
    const before = this.#counters.size
    const chains = chainsOf(list, name => this.#counterOf(name))
    const counters = [...this.#counters].slice(before).map(([name, id]) => this.#counter(name, id))
    return [`table inet ${this.#name} {\n${[...counters, chains].join('\n')}\n}`]
  }

  #released(holding: Holding | undefined): readonly string[] {
    const list = holding?.list as Kept | undefined
    if (list === undefined || --list.users > 0) return []
    for (const [key, one] of this.#lists) if (one === list) this.#lists.delete(key)
    return (['from', 'to'] as const).flatMap(side =>
      [false, true].map(host => `delete chain inet ${this.#name} ${chainName(list.number, side, host)}`),
    )
  }

  /** Unless another session has an end of it by now. */
  #without({ list, ends }: Holding): readonly string[] {
    const others = new Set([...this.#sessions.values()].flatMap(one => (one.ends === ends ? [] : one.ends)))
    return this.#elements('delete', { list, ends: ends.filter(end => !others.has(end)) })
  }

  #elements(how: 'add' | 'delete', { list, ends }: Holding): readonly string[] {
    return ADDED.flatMap(map => {
      const [side, host] = map.split('_')
      const chain = chainName(list.number, side as 'from' | 'to', host !== undefined)
      return ends.map(end => {
        const verdict = how === 'add' ? ` : goto ${chain}` : ''
        return `${how} element inet ${this.#name} ${map}${end.includes(':') ? '6' : '4'} { ${end}${verdict} }`
      })
    })
  }

  #counterOf(name: string): string {
    const known = this.#counters.get(name)
    if (known !== undefined) return known
    const id = `r${this.#counters.size + 1}`
    this.#counters.set(name, id)
    return id
  }

  readonly #counter = (name: string, id: string) => `  counter ${id} { comment "${quoted(name)}"; }`

  #content(): string {
    const chains = [...this.#lists.values()].map(list => chainsOf(list, name => this.#counterOf(name)))
    const counters = [...this.#counters].map(([name, id]) => this.#counter(name, id))
    const elements = [...this.#sessions.values()].flatMap(holding => this.#elements('add', holding))
    const tun = `"${this.#tunName}"`
    const maps = ADDED.flatMap(map => [
      `  map ${map}4 { type ipv4_addr : verdict; flags interval; }`,
      `  map ${map}6 { type ipv6_addr : verdict; flags interval; }`,
    ])
    const ways = ADDED.map(map => {
      const end = map.startsWith('from') ? 'saddr' : 'daddr'
      return `  chain by_${map} {
    ip ${end} vmap @${map}4
    ip6 ${end} vmap @${map}6
    counter name unmatched drop
  }`
    })
    return `table inet ${this.#name} {
  counter unmatched { comment "no rule"; }
${[...counters, ...maps, ...chains, ...ways].join('\n')}
  chain forward {
    type filter hook forward priority filter; policy accept;
    iifname ${tun} jump by_from
    oifname ${tun} jump by_to
  }
  chain input {
    type filter hook input priority filter; policy accept;
    iifname ${tun} jump by_from_host
  }
  chain output {
    type filter hook output priority filter; policy accept;
${REFUSALS.map(refusal => `    oifname ${tun} ${refusal} accept\n`).join('')}    oifname ${tun} jump by_to_host
  }
${this.#nat(tun)}}
${elements.map(line => `${line}\n`).join('')}`
  }

  #nat(tun: string): string {
    const { masquerade, staticNat } = this.#options
    if (masquerade.length === 0 && staticNat.length === 0) return ''
    const inward = staticNat.map(
      ({ session, outside }) => `    iifname != ${tun} ip daddr ${outside} dnat ip to ${session}\n`,
    )
    const outward = staticNat.map(
      ({ session, outside }) =>
        `    iifname ${tun} oifname != ${tun} ip saddr ${session} snat ip to ${outside}\n`,
    )
    const hidden =
      masquerade.length === 0
        ? ''
        : `    iifname ${tun} oifname != ${tun} ip daddr { ${masquerade.join(', ')} } masquerade\n`
    return `  chain prerouting {
    type nat hook prerouting priority dstnat;
${inward.join('')}  }
  chain postrouting {
    type nat hook postrouting priority srcnat;
${outward.join('')}${hidden}  }
`
  }
}
