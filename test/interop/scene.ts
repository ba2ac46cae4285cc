/**
 * Where rows are played: one Burrow and one guest for each side that a peer may take, booted once for all of them. A row that fails throws;
 * the next one begins anew.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { burrow } from '../support/burrow.ts'
import { CA_PEM, CLIENT_KEY, CLIENT_PEM, SERVER_KEY, SERVER_PEM } from '../support/certificates.ts'
import { startFreeradius } from '../support/freeradius.ts'
import { ROOT } from '../support/imports.ts'
import { type Program, run } from '../support/processes.ts'
import { until } from '../support/until.ts'
import { type BehindIpsec, openIpsec } from './behind-ipsec.ts'
import { ADDRESS, type Cleanup, type Guest, type Lab, PAGE, startLab, XL2TPD_USER } from './lab.ts'
import { recordsOf, stopOf } from './records.ts'
import { BEHIND_IPSEC, type Method, MRU_BYTES, type Row } from './rows.ts'

export interface Scene {
  /** Of the peers. */
  readonly versions: string
  /** Rows of one lane share a guest and are played in turns; lanes go side by side. */
  readonly lanes: readonly Lane[]
  /** Ends Burrow, which must come to a good end. */
  end(): Promise<void>
}

export interface Lane {
  readonly rows: readonly Row[]
  play(row: Row): Promise<void>
}

const USER = { user: 'hb@hb', password: 'admin@123' } as const
interface Who {
  readonly user: string
  readonly acceptedAs?: string
}

/** Who is not `USER`, for another plugin to answer. */
const WHO: Partial<Record<Method['name'], Who>> = {
  'EAP-MSCHAPv2': { user: 'ms@hb' },
  // As the certificate has it.
  'EAP-TLS': { user: 'cert@tls', acceptedAs: 'client' },
  'EAP-TLS by RADIUS': { user: 'cert@hb' },
}
const EAP_MD5 = join(ROOT, 'dist/test/support/eap-md5-plugin.js')
const POOL = /^172\.16\.1\.([2-9]|[1-9]\d|100)$/
/** Of a web server behind the LNS of a guest; its tunnel does not announce it. */
const BEHIND = '10.71.0.1'
const PPPD_METHODS = ['mschap-v2', 'mschap', 'chap', 'pap', 'eap'] as const
const IP_AND_ICMP_BYTES = 28

export async function setScene(t: Cleanup, rows: readonly Row[]): Promise<Scene> {
  const secured = rows.filter(({ peer }) => peer === BEHIND_IPSEC)
  const clients = rows.filter(({ as, peer }) => as === 'client' && peer !== BEHIND_IPSEC)
  const servers = rows.filter(({ as }) => as === 'LNS')
  const guests = Number(clients.length > 0) + Number(servers.length > 0) + 2 * Number(secured.length > 0)
  const lab = await startLab(t, guests)
  const lanes: Lane[] = []
  let lns: Program | undefined
  if (clients.length > 0) {
    const guest = lab.guest(0)
    const serving = await serve(t, lab, clients)
    lns = serving.lns
    lanes.push({ rows: clients, play: row => dialIn(row, guest, serving) })
  }
  if (servers.length > 0) {
    const guest = lab.guest(lanes.length)
    await guest.servePage(BEHIND)
    lanes.push({ rows: servers, play: row => dialOut(row, guest, lab) })
  }
  let ipsec: BehindIpsec | undefined
  if (secured.length > 0) {
    ipsec = await openIpsec(lab, lab.guest(guests - 2), lab.guest(guests - 1))
    lanes.push({ rows: secured, play: ipsec.play })
  }
  return {
    versions: await lab.guest(0).versions(),
    lanes,
    async end() {
      await ipsec?.end()
      if (lns === undefined) return
      const { code, stdout, stderr } = await lns.end('SIGTERM', 20_000)
      assert.equal(code, 0, stderr)
      assert.doesNotMatch(stdout + stderr, new RegExp(USER.password), 'no log shows a password')
    },
  }
}

interface Serving {
  readonly lns: Program
  readonly accounting: string
  /** Lines of pppd's options that name the certificate of a user. */
  readonly certificate: readonly string[]
}

async function serve(t: Cleanup, lab: Lab, rows: readonly Row[]): Promise<Serving> {
  const accounting = join(lab.folder, 'accounting.jsonl')
  const files = { ca: CA_PEM, cert: CLIENT_PEM, key: CLIENT_KEY }
  const ours = { server: SERVER_PEM, 'server-key': SERVER_KEY }
  for (const [name, pem] of Object.entries({ ...files, ...ours }))
    writeFileSync(join(lab.folder, `${name}.pem`), pem, { mode: 0o600 })
  const certificate = Object.keys(files).map(name => `${name} ${join(lab.folder, `${name}.pem`)}`)
  const lns =
    await lab.serve(`ppp: { auth: [mschapv2, chap-md5, pap, eap], ipv6: true, mruBytes: ${MRU_BYTES} }
plugins:
  - ${EAP_MD5}: { users: { ${USER.user}: ${USER.password} } }
  - auth-local: { users: [${JSON.stringify(USER)}, ${JSON.stringify({ ...USER, ...WHO['EAP-MSCHAPv2'] })}], eapMethods: [mschapv2] }
  - auth-eap-tls: { caFile: ca.pem, certFile: server.pem, keyFile: server-key.pem, realms: [tls], identity: any }
${rows.some(({ method }) => method.name === 'EAP-TLS by RADIUS') ? await byFreeradius(t, lab) : ''}
  - address-pool:
      pools: { main: { ranges: [172.16.1.2-172.16.1.100] } }
      prefixPools: { links: { prefixes: ['2001:db8:1::/48'] } }
  - policy-zones:
  - accounting-file: { file: ${accounting} }
`)
  return { lns, accounting, certificate }
}

async function byFreeradius(t: Cleanup, { host }: Lab): Promise<string> {
  const users = { 'cert@hb': { check: ['EAP-Type := TLS'] } }
  const radius = await startFreeradius(t, { netns: host.name, users })
  const { authPort, acctPort, secret } = radius
  return `
  - radius-client: { servers: [{ address: ${radius.host}, authPort: ${authPort}, acctPort: ${acctPort}, secret: "${secret}" }] }
  - auth-radius`
}

/** The peer dials Burrow. */
async function dialIn(
  { method, variant }: Row,
  client: Guest,
  { lns, accounting, certificate }: Serving,
): Promise<void> {
  await client.end()
  const records = await until('the end of the session before', () => {
    const all = recordsOf(accounting)
    return all.length % 2 === 0 && all
  })
  const byCertificate = method.name.startsWith('EAP-TLS')
  const { user, acceptedAs = user }: Who = WHO[method.name] ?? USER
  // What pppd declines LCP does not insist on: it walks our list, which begins with MS-CHAPv2.
  const others = PPPD_METHODS.filter(name => name !== method.pppd).map(name => `refuse-${name}`)
  const options = [...others, ...(byCertificate ? certificate : []), ...variant.options]
  await client.dial({ lns: ADDRESS.host, ...USER, user, options })
  const { own, peer } = await client.addressed()
  assert.match(own, POOL)
  assert.equal(peer, ADDRESS.inSessions)
  await client.says(method.dialled)
  await client.reachesTheServer(own)
  await client.says(variant.logged)
  const { prefix } = variant
  if (prefix !== undefined)
    await until(`an address of ${prefix}`, async () =>
      (await client.run('ip -6 -o addr show dev ppp0')).output.includes(` ${prefix}`),
    )
  const largest = variant.mtuBytes - IP_AND_ICMP_BYTES
  const { code, output } = await client.run(
    `[ "$(cat /sys/class/net/ppp0/mtu)" = ${variant.mtuBytes} ] && ping -n -c 1 -w 5 -M do -s ${largest} ${ADDRESS.web}`,
  )
  assert.equal(code, 0, `the largest packet: ${output}`)

  await client.end()
  await client.gone()
  const stop = await stopOf(accounting, records.length, own, () => lns.stderr())
  assert.deepEqual([stop.user, stop.cause], [acceptedAs, 'tunnel-closed'])
  assert.ok(stop.octetsIn > 300 && stop.octetsOut > 300, JSON.stringify(stop))
}

/** Burrow dials the peer. */
async function dialOut({ method, variant }: Row, lns: Guest, { host }: Lab): Promise<void> {
  assert.ok(method.connect !== undefined && method.served !== undefined, 'a method that our client has')
  await lns.serve(method.pppd, '', variant.options)
  const words = ['--user', XL2TPD_USER.user, '--password-env', 'PASSWORD', '--auth', method.connect]
  words.push('--mtu', String(MRU_BYTES))
  const client = burrow(['connect', lns.address, ...words, '--route', `${BEHIND}/32`, '--json'], {
    netns: host.name,
    env: { PASSWORD: XL2TPD_USER.password },
  })
  try {
    const up = JSON.parse((await client.says(/^\{"event":"up".*\}$/m))[0])
    assert.equal(up.peerAddress, ADDRESS.xl2tpd)
    assert.ok(up.localAddress.startsWith(ADDRESS.xl2tpdPool), up.localAddress)
    assert.deepEqual(up.dns, ['10.0.0.1'])
    assert.equal(up.mtuBytes, variant.mtuBytes)
    await lns.says(method.served)
    await lns.says(variant.logged)
    await pings(host.name, ADDRESS.xl2tpd)
    // The largest packet that fits, which comes back whole.
    await pings(host.name, BEHIND, ['-M', 'do', '-s', String(up.mtuBytes - IP_AND_ICMP_BYTES)])
    const page = await run(['socat', '-t', '5', '-', `TCP:${BEHIND}:80`], {
      netns: host.name,
      input: 'GET / HTTP/1.0\r\n\r\n',
    })
    assert.ok(page.stdout.endsWith(`${PAGE} for ${up.localAddress}\n`), page.stdout + page.stderr)

    const { code, stdout, stderr } = await client.end()
    assert.equal(code, 0, stderr)
    const down = JSON.parse(/^\{"event":"down".*\}$/m.exec(stdout)?.[0] ?? '{}')
    assert.equal(down.cause, 'local-hangup')
    await lns.gone()
    assert.doesNotMatch(host.exec('ip', 'link'), /burrow1/, 'the TUN device went with the client')
  } finally {
    await client.end('SIGKILL')
  }
}

/** The other side's pppd may still run its scripts when we are up: one answer first, then none may be lost. */
export async function pings(netns: string, address: string, options: readonly string[] = []): Promise<void> {
  const ping = ['ping', '-n', '-i0.2', '-w5', ...options, address]
  await run([...ping, '-c1'], { netns })
  const { stdout } = await run([...ping, '-c3'], { netns })
  assert.match(stdout, / 0% packet loss/)
}
