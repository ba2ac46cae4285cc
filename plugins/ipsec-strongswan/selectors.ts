/** Traffic selectors as charon prints them: `10.9.0.10/32[udp/1701]`, `10.0.0.1..10.0.0.9`, `2001:db8::/32[udp]`. */
import { readFileSync } from 'node:fs'
import { BlockList, isIP } from 'node:net'
import { ipv6Form } from 'burrow'

export interface Selector {
  /** The address, where it is of one alone. */
  readonly host: string | undefined
  /** Whether it has this port of UDP. */
  readonly hasPort: (port: number) => boolean
  readonly hasAddress: (address: string) => boolean
}

const UDP: ReadonlySet<string> = new Set(['udp', '17', 'any', '0'])
const SELECTOR = /^([^[\]]+?)(?:\[([^/\]]+)(?:\/([^\]]+))?\])?$/

/** undefined: it is not of UDP, or none that we can read. */
export function selectorOf(text: string, services: ReadonlyMap<string, number>): Selector | undefined {
  const [, addresses = '', protocol = 'any', ports] = SELECTOR.exec(text) ?? []
  const held = addressesOf(addresses)
  const range = portsOf(ports, services)
  if (held === undefined || range === undefined || !UDP.has(protocol)) return undefined
  const [first, last] = range
  return { ...held, hasPort: port => first <= port && port <= last }
}

function addressesOf(text: string): Pick<Selector, 'host' | 'hasAddress'> | undefined {
  const list = new BlockList()
  const [, from = '', slash, to = ''] = /^(.+?)(?:(\/|\.\.)(.+))?$/.exec(text) ?? []
  const family = isIP(from) === 6 ? 'ipv6' : 'ipv4'
  try {
    if (slash === undefined) list.addAddress(from, family)
    else if (slash === '/') list.addSubnet(from, Number(to), family)
    else list.addRange(from, to, family)
  } catch {
    return undefined
  }
  const whole = family === 'ipv6' ? '128' : '32'
  const isHost = slash === undefined || (slash === '/' ? to === whole : to === from)
  return {
    host: isHost ? hostForm(from) : undefined,
    hasAddress: address => list.check(address, address.includes(':') ? 'ipv6' : 'ipv4'),
  }
}

function portsOf(
  text: string | undefined,
  services: ReadonlyMap<string, number>,
): readonly [number, number] | undefined {
  if (text === undefined || text === 'any') return [0, 65_535]
  const [, first, last] = /^(\d+)-(\d+)$/.exec(text) ?? []
  if (first !== undefined && last !== undefined) return [Number(first), Number(last)]
  const port = /^\d+$/.test(text) ? Number(text) : services.get(text)
  return port === undefined ? undefined : [port, port]
}

/** One form for each address. */
export const hostForm = (address: string): string =>
  address.includes(':') ? (ipv6Form(address) ?? address) : address

/** charon prints ports by the names that the system has for them: 1701 is `l2f` on Debian. */
export function udpServices(read = () => readFileSync('/etc/services', 'utf8')): ReadonlyMap<string, number> {
  const services = new Map([
    ['l2f', 1701],
    ['l2tp', 1701],
  ])
  let text = ''
  try {
    text = read()
  } catch {
    // Those above are what it is about.
  }
  for (const [, name = '', port] of text.matchAll(/^([\w.+-]+)\s+(\d+)\/udp\b/gm))
    services.set(name, Number(port))
  return services
}
