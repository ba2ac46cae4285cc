/** Rules of sessions as chains of nftables. */
import type { AclRule, Prefix } from 'burrow'

/** A list of rules that sessions have: its chains are `p7_from` and `p7_to`. */
export interface RuleList {
  readonly number: number
  readonly rules: readonly AclRule[]
}

/** By the name of a rule, the counter that it counts under. */
export type CounterOf = (name: string) => string

const WITH_PORTS = '{ tcp, udp, dccp, sctp, udplite }'
const ICMP = 1
/** Halves of the mark of a connection: the list that let it out of one session, and the one that let it into another. */
const HALF = {
  from: { mask: '0x0000ffff', other: '0xffff0000', shift: 0 },
  to: { mask: '0xffff0000', other: '0x0000ffff', shift: 16 },
} as const
type Side = keyof typeof HALF

/** Both chains of a list, with and without the host itself as the other end. */
export function chainsOf(list: RuleList, counterOf: CounterOf): string {
  return (['from', 'to'] as const)
    .flatMap(side => [false, true].map(host => chainOf(list, side, host, counterOf)))
    .join('\n')
}

export const chainName = (number: number, side: Side, host: boolean): string =>
  `p${number}_${side}${host ? '_host' : ''}`

/** `return`: permitted, by this session. */
function chainOf({ number, rules }: RuleList, side: Side, host: boolean, counterOf: CounterOf): string {
  const direction = side === 'from' ? 'from-session' : 'to-session'
  const own = rules.filter(rule => rule.direction === direction && (rule.host === true) === host)
  const { mask, other, shift } = HALF[side]
  const mark = `0x${(number * 2 ** shift).toString(16)}`
  // What answers came by the other side of the first packet: a permission of another list is none.
  const answered = HALF[side === 'from' ? 'to' : 'from']
  const answers = `0x${(number * 2 ** answered.shift).toString(16)}`
  const permit = `ct mark set ct mark and ${other} or ${mark} return`
  return `  chain ${chainName(number, side, host)} {
    ct state established,related ct direction reply ct mark and ${answered.mask} == ${answers} return
    ct state related ct direction original ct mark and ${mask} == ${mark} return
${own
  .flatMap(rule => linesOf(rule, permit, counterOf(rule.name)))
  .map(line => `    ${line}\n`)
  .join('')}    counter name unmatched drop
  }`
}

function linesOf(rule: AclRule, permit: string, counter: string): readonly string[] {
  const log =
    rule.log === true && rule.action === 'permit'
      ? [`limit rate 10/second burst 20 packets log prefix "burrow ${quoted(rule.name)}: "`]
      : []
  const verdicts = [...log, ...verdictsOf(rule, permit, counter)]
  return (['ip', 'ip6'] as const).flatMap(family => {
    const match = matchOf(rule, family)
    return match === undefined ? [] : verdicts.map(verdict => `${match} ${verdict}`)
  })
}

function verdictsOf({ action }: AclRule, permit: string, counter: string): readonly string[] {
  if (action === 'permit') return [`counter name ${counter} ${permit}`]
  if (action === 'deny') return [`counter name ${counter} drop`]
  return [
    `meta l4proto tcp counter name ${counter} reject with tcp reset`,
    `counter name ${counter} reject with icmpx admin-prohibited`,
  ]
}

/** Undefined: no packet of the family matches. */
function matchOf(rule: AclRule, family: 'ip' | 'ip6'): string | undefined {
  const isOwn = ({ address }: Prefix) => address.includes(':') === (family === 'ip6')
  const parts = [`meta nfproto ${family === 'ip' ? 'ipv4' : 'ipv6'}`]
  for (const [field, list] of [
    ['saddr', rule.source],
    ['daddr', rule.destination],
  ] as const) {
    if (list === undefined) continue
    const own = list.filter(isOwn)
    if (own.length === 0) return undefined
    parts.push(
      `${family} ${field} { ${own.map(({ address, length }) => `${address}/${length}`).join(', ')} }`,
    )
  }
  const application = applicationOf(rule, family)
  return application === undefined ? undefined : [...parts, ...application].join(' ')
}

function applicationOf(rule: AclRule, family: 'ip' | 'ip6'): readonly string[] | undefined {
  const { protocol, destinationPorts, icmpTypes, icmpv6Types } = rule
  if (icmpTypes !== undefined || icmpv6Types !== undefined) {
    const types = (family === 'ip' ? icmpTypes : icmpv6Types) ?? []
    return types.length === 0
      ? undefined
      : [`${family === 'ip' ? 'icmp' : 'icmpv6'} type { ${types.join(', ')} }`]
  }
  if (destinationPorts !== undefined) {
    if (destinationPorts.length === 0) return undefined
    const ports = destinationPorts.map(({ from, to }) => (from === to ? from : `${from}-${to}`)).join(', ')
    return [`meta l4proto ${protocol ?? WITH_PORTS} th dport { ${ports} }`]
  }
  if (protocol === undefined) return []
  return [
    protocol === ICMP ? `meta l4proto ${family === 'ip' ? 'icmp' : 'ipv6-icmp'}` : `meta l4proto ${protocol}`,
  ]
}

/** What nft takes in quotes. */
export const quoted = (text: string): string => text.replace(/[^\x20-\x7e]|["\\]/g, '?').slice(0, 60)
