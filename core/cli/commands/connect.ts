import { lookup } from 'node:dns/promises'
import { hostname } from 'node:os'
import { type Command, InvalidArgumentError } from 'commander'
import type { PortsName } from '../../dataplane/data-plane.ts'
import { BurrowError } from '../../errors.ts'
import type { SocketAddress } from '../../ports.ts'
import type { AuthMethod, EndReason, SessionIpv6 } from '../../protocol/outputs.ts'
import { DEFAULT_PPP } from '../../protocol/ppp/config.ts'
import { NO_IPV4 } from '../../protocol/ppp/ipcp.ts'
import { type ClientOptions, type Connection, connectClient } from '../../runtime/client.ts'
import { escapeValue } from '../../runtime/escape.ts'
import { createLogger } from '../../runtime/node/logger.ts'
import { requireTunPrivileges } from '../../runtime/node/privileges.ts'
import { protectionText } from '../../runtime/session-rows.ts'
import { escapeText } from '../../wire/escape.ts'
import { parseIpv4 } from '../../wire/ip.ts'
import { parseIpv6 } from '../../wire/ipv6.ts'
import { parseSocketText } from '../../wire/socket-text.ts'
import { surviveFaults } from '../faults.ts'
import { promptSecret, readSecret } from '../secret.ts'
import { stopSignal } from '../signals.ts'
import { dataPlaneOption, thisMachine, traceTo } from '../world.ts'
import { addIpsecOptions, type IpsecOptions, ipsecFor } from './connect-ipsec.ts'

interface Options extends IpsecOptions {
  readonly user: string
  readonly passwordFile?: string
  readonly passwordEnv?: string
  readonly tunnelSecretFile?: string
  readonly tunnelSecretEnv?: string
  readonly auth: readonly AuthMethod[]
  readonly route: readonly string[]
  readonly mtu: number
  readonly ipv6: boolean
  readonly tun: string
  readonly timeout: number
  readonly once?: boolean
  readonly json?: boolean
  readonly trace?: string
  readonly dataplane?: PortsName
}

const L2TP_PORT = 1701
const METHODS: Readonly<Record<string, AuthMethod>> = {
  mschapv2: 'mschapv2',
  chap: 'chap-md5',
  'chap-md5': 'chap-md5',
  pap: 'pap',
  eap: 'eap',
}

export function addConnect(program: Command): void {
  const command = program
    .command('connect')
    .description('dial an LNS and keep the call up until SIGINT, SIGTERM or SIGHUP')
    .argument(
      '<address[:port]>',
      'the LNS, by address or name; of IPv6 with a port as [address]:port',
      parseServer,
    )
    .requiredOption('-u, --user <name>', 'who we are')
    .option('--password-file <file>', 'a file whose first line is the password')
    .option(
      '--password-env <variable>',
      'a variable of the environment that holds it; else the terminal is asked',
    )
    .option(
      '--auth <methods>',
      'how we prove it, first choice first, of mschapv2, chap, pap and eap',
      parseAuth,
      ['mschapv2', 'chap-md5', 'pap'],
    )
    .option(
      '--route <prefix>',
      'what to reach through the tunnel, again for more; "default" is everything',
      addRoute,
      [],
    )
    .option(
      '--mtu <bytes>',
      'largest packet inside the tunnel',
      parseNumber(576, 1500),
      DEFAULT_PPP.lac.mruBytes,
    )
    .option('--no-ipv6', 'ask for no IPv6 inside the tunnel')
    .option('--tunnel-secret-file <file>', 'a file whose first line is the tunnel secret')
    .option('--tunnel-secret-env <variable>', 'a variable that holds it')
    .option('--tun <name>', 'name of the network interface', 'burrow1')
    .option('--timeout <seconds>', 'how long the call may take to come up', parseNumber(1, 600), 60)
    .option('--once', 'hang up as soon as the call is up')
    .option('--json', 'tell of up, IPv6 and down as JSON lines')
    .addOption(dataPlaneOption())
    .option('--trace <file>', 'append each control datagram to a file, passwords masked')
  addIpsecOptions(command).action(connect)
}

async function connect(
  server: { host: string; port: number },
  options: Options,
  command: Command,
): Promise<void> {
  requireTunPrivileges('connect')
  const warn = (text: string) => process.stderr.write(`burrow: warning: ${text}\n`)
  const log = createLogger({ level: command.optsWithGlobals().debug === true ? 'debug' : 'warn' })
  const machine = thisMachine(log, traceTo(options.trace), options.dataplane)
  const protect = await ipsecFor(options, options.timeout * 1000, warn, machine)
  const { passwordFile, passwordEnv, tunnelSecretFile, tunnelSecretEnv } = options
  const password =
    readSecret('password', { file: passwordFile, env: passwordEnv }, warn) ??
    (await promptSecret(`password of ${options.user}`))
  const tunnelSecret = readSecret('tunnel-secret', { file: tunnelSecretFile, env: tunnelSecretEnv }, warn)
  const remote = { address: await resolve(server.host), port: server.port }

  surviveFaults(log)
  const stop = stopSignal()
  const giveUp = new AbortController()
  void stop.signalled.then(() => giveUp.abort())
  const report = options.json === true ? reportAsJson : reportAsText
  const world = {
    ...machine,
    ...(protect === undefined ? {} : { protect }),
    onIpv6: (ipv6: SessionIpv6 | undefined) => report.ipv6(ipv6, options),
  }
  const connection = await connectClient(
    clientOptions(options, remote, password, tunnelSecret),
    world,
    giveUp.signal,
  )
  report.up(connection, options)
  if (options.once !== true) await Promise.race([stop.signalled, connection.ended])
  const ours = options.once === true || giveUp.signal.aborted
  await connection.close()
  stop.off()
  const reason = await connection.ended
  report.down(reason)
  if (!ours) throw new BurrowError('DIAL_FAILED', `the call ended: ${reason.text ?? reason.cause}`)
}

function clientOptions(
  { user, auth, route, mtu, tun, timeout, ipv6 }: Options,
  remote: SocketAddress,
  password: string,
  tunnelSecret: string | undefined,
): ClientOptions {
  return {
    remote,
    user,
    password,
    auth,
    mruBytes: mtu,
    routes: route,
    ipv6,
    tunName: tun,
    hostName: hostname(),
    dialTimeoutMs: timeout * 1000,
    ...(tunnelSecret === undefined ? {} : { tunnelSecret }),
  }
}

interface Report {
  up(connection: Connection, options: Options): void
  /** It came, changed, or went. */
  ipv6(ipv6: SessionIpv6 | undefined, options: Options): void
  down(reason: EndReason): void
}

const print = (text: string) => void process.stdout.write(`${text}\n`)

const reportAsText: Report = {
  up({ network, tunName, path, protection }, { user, route, once }) {
    const { localAddress, peerAddress, mtuBytes, dns } = network
    const hasIpv4 = localAddress !== NO_IPV4.localAddress
    const ends = hasIpv4 ? `${localAddress} -> ${peerAddress}` : 'without IPv4'
    print(`up: ${ends} on ${tunName}, MTU ${mtuBytes}, as ${user} at ${path.remote.address}`)
    if (protection !== undefined) print(`  inside of IPsec: ${protectionText({ protection })}`)
    if (dns.length > 0) print(`  DNS servers of the peer: ${dns.join(', ')}`)
    const routes = route.filter(prefix => !isIpv6(prefix))
    if (hasIpv4 && routes.length > 0) print(`  through the tunnel: ${routes.join(', ')}`)
    else if (route.length === 0)
      print('  only the peer is reached through the tunnel; --route PREFIX routes more')
    if (once !== true) print('  hang up: Ctrl-C, or SIGTERM')
  },
  ipv6(ipv6, { tun, route }) {
    if (ipv6?.address === undefined) return print('IPv6 is gone; IPv4 is as it was')
    print(`IPv6: ${ipv6.address} on ${tun}`)
    if (ipv6.dns !== undefined) print(`  DNS servers of the peer: ${ipv6.dns.join(', ')}`)
    const routes = route.filter(isIpv6)
    if (routes.length > 0) print(`  through the tunnel: ${routes.join(', ')}`)
  },
  down: ({ cause, text }) => print(`down: ${cause}${text === undefined ? '' : ` (${escapeText(text)})`}`),
}

const reportAsJson: Report = {
  up: ({ network, path, tunName, protection }, { user }) =>
    print(
      JSON.stringify({
        event: 'up',
        user,
        tun: tunName,
        ...network,
        local: path.local,
        remote: path.remote,
        protection,
      }),
    ),
  ipv6: ipv6 => print(JSON.stringify({ event: 'ipv6', ...ipv6 })),
  down: reason => print(JSON.stringify({ event: 'down', ...(escapeValue(reason) as object) })),
}

function parseServer(text: string): { host: string; port: number } {
  const place = parseSocketText(text, L2TP_PORT)
  const [, name, digits] = /^([^:[\]%]+)(?::(\d{1,5}))?$/.exec(text) ?? []
  const host = place?.address ?? name
  const port = place?.port ?? (digits === undefined ? L2TP_PORT : Number(digits))
  if (host === undefined || port < 1 || port > 65_535)
    throw new InvalidArgumentError(
      'Expected ADDRESS, ADDRESS:PORT or [IPV6]:PORT, and none of a link alone (fe80::/10).',
    )
  return { host, port }
}

/** Of a name with both, what the resolver of the system puts first. */
async function resolve(host: string): Promise<string> {
  const given = parseSocketText(host, L2TP_PORT)
  if (given !== undefined) return given.address
  try {
    const { address } = await lookup(host, { verbatim: true })
    return parseSocketText(address, L2TP_PORT)?.address ?? address
  } catch (cause) {
    throw new BurrowError(
      'NETWORK_SETUP',
      `${host} has no address: ${(cause as Error).message}`,
      {},
      { cause },
    )
  }
}

function parseAuth(text: string): AuthMethod[] {
  return text.split(',').map(name => {
    const method = METHODS[name.trim()]
    if (method === undefined)
      throw new InvalidArgumentError('Expected mschapv2, chap, pap, eap, or several with commas.')
    return method
  })
}

function addRoute(text: string, routes: readonly string[]): string[] {
  if (text === 'default') return [...routes, '0.0.0.0/0', '::/0']
  const [address = '', length, more] = text.split('/')
  const bits = isIpv6(text) ? 128 : 32
  const isAddress = isIpv6(text) ? parseIpv6(address) !== undefined : parseIpv4(address) !== undefined
  const isLength = length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= bits)
  if (!isAddress || !isLength || more !== undefined)
    throw new InvalidArgumentError('Expected a prefix such as 192.168.1.0/24 or 2001:db8::/32, or "default".')
  return [...routes, text]
}

const isIpv6 = (text: string): boolean => text.includes(':')

const parseNumber = (least: number, most: number) => (text: string) => {
  const number = Number(text)
  if (Number.isInteger(number) && number >= least && number <= most) return number
  throw new InvalidArgumentError(`Expected a number from ${least} to ${most}.`)
}
