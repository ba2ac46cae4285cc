/** Keeps sessions and interfaces to their ways by a table of nftables, in the hook that all forwarded packets pass. */
import type { Prefix } from '../../flow.ts'
import { parseIpv4 } from '../../plugin/addresses.ts'
import type { InterfaceWays } from '../../plugin/interfaces.ts'
import { ipv6BlockOf } from '../../plugin/ipv6-blocks.ts'
import type { KernelWatch } from './kernel.ts'
import { NftTable, runNft } from './nft.ts'

const PROGRAM = 'nft'

/** A dot is in no name that policy-nftables gives. */
const tableName = (tunName: string): string => `burrow_zones.${tunName.replace(/[^\w.-]/g, '_')}`

/** Rejects with NFTABLES. */
export async function guardByNft(tunName: string, ways: InterfaceWays, { log }: Pick<KernelWatch, 'log'>) {
  let now = ways
  const table = new NftTable({
    name: tableName(tunName),
    program: PROGRAM,
    log,
    content: () => contentOf(tableName(tunName), tunName, now),
  })
  await table.open()
  return {
    change(next: InterfaceWays): Promise<void> {
      now = next
      return table.replace()
    },
    mend: () => table.mend(),
    close: () => table.close(),
  }
}

export async function removeNftGuard(tunName: string): Promise<void> {
  const name = tableName(tunName)
  // In vain where there is none, which is how it should be.
  await runNft(PROGRAM, ['-f', '-'], `delete table inet ${name}\n`).catch(() => {})
}

/** Rejects with NFTABLES where the program is missing; what the kernel permits only a change tells. */
export const checkNft = (): Promise<string> => runNft(PROGRAM, ['--version'], '')

/** In front of all other filters, so that what they log and count is what may be. */
function contentOf(name: string, tunName: string, { named, others }: InterfaceWays): string {
  const tun = `"${tunName}"`
  const names = Object.keys(named).map(device => `"${device}"`)
  const ofNamed = names.length === 0 ? [] : [`{ ${names.join(', ')} }`]
  const sides = [
    { ours: `oifname ${tun}`, theirs: 'iifname', end: 'saddr', counter: 'towards_sessions', errors: true },
    { ours: `iifname ${tun}`, theirs: 'oifname', end: 'daddr', counter: 'from_sessions', errors: false },
  ] as const
  const lines = sides.flatMap(({ ours, theirs, end, counter, errors }) => [
    ...Object.entries(named).flatMap(([device, prefixes]) =>
      matches(prefixes, end, errors).map(match => `${ours} ${theirs} "${device}" ${match} accept`),
    ),
    ...ofNamed.map(set => `${ours} ${theirs} ${set} counter name ${counter} drop`),
    ...matches(others, end, errors).map(match => `${ours} ${match} accept`),
    `${ours} counter name ${counter} drop`,
  ])
  return `table inet ${name} {
  counter towards_sessions { comment "from an address that is not behind its interface"; }
  counter from_sessions { comment "to an address that is not behind its interface"; }
  chain forward {
    type filter hook forward priority filter - 10; policy accept;
    iifname ${tun} oifname ${tun} accept
${lines.map(line => `    ${line}\n`).join('')}  }
}
`
}

/**
 * Errors of ICMP come from any router on the way: what they are about, a packet to an address behind that interface, tells where they belong.
 * It stands 8 octets of ICMP and 16 or 24 of the quoted header behind the start.
 */
function matches(prefixes: readonly Prefix[], end: 'saddr' | 'daddr', errors: boolean): readonly string[] {
  return FAMILIES.flatMap(({ ip, is6, bits, quoted, types }) => {
    const own = prefixes.filter(({ address }) => address.includes(':') === is6)
    if (own.length === 0) return []
    const texts = own.map(({ address, length }) => `${address}/${length}`)
    const about = own.map(prefix => numbers(prefix, bits))
    return [
      `${ip} ${end} { ${texts.join(', ')} }`,
      ...(errors ? [`${types} ${quoted} { ${about.join(', ')} }`] : []),
    ]
  })
}

const FAMILIES = [
  {
    ip: 'ip',
    is6: false,
    bits: 32,
    quoted: '@th,192,32',
    types: 'icmp type { destination-unreachable, time-exceeded, parameter-problem }',
  },
  {
    ip: 'ip6',
    is6: true,
    bits: 128,
    quoted: '@th,256,128',
    types: 'icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem }',
  },
] as const

/** A range of numbers, as nft takes bits of a packet. */
function numbers({ address, length }: Prefix, bits: number): string {
  const first = address.includes(':') ? ipv6BlockOf({ address, length })?.first : parseIpv4(address)
  const start = BigInt(first ?? 0)
  const last = start + (1n << BigInt(bits - length)) - 1n
  const hex = (value: bigint) => `0x${value.toString(16).padStart(bits / 4, '0')}`
  return length === bits ? hex(start) : `${hex(start)}-${hex(last)}`
}
