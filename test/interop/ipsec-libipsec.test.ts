/** ipsec-strongswan with a real charon at either end, in two namespaces: L2TP in ESP in UDP, tunnel mode, by IKEv1 and IKEv2. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { nodeClock } from '../../core/runtime/node/clock.ts'
import { Vici } from '../../plugins/ipsec-strongswan/vici.ts'
import type { ViciMessage } from '../../plugins/ipsec-strongswan/vici-codec.ts'
import { skipWithout } from '../setup/peers.ts'
import { burrow } from '../support/burrow.ts'
import { CA_PEM, CLIENT_KEY, CLIENT_PEM, SERVER_KEY, SERVER_PEM } from '../support/certificates.ts'
import { type RealCharon, startCharon } from '../support/charon.ts'
import { joinByVeth, makeNetns, type Netns } from '../support/netns.ts'
import type { Program } from '../support/processes.ts'
import { until } from '../support/until.ts'

const OUTER = { server: '10.1.0.1', client: '10.1.0.2' } as const
/** Inside of the SA. */
const INNER = { server: '10.8.0.1', client: '10.8.0.2' } as const
const PSK = 'of two namespaces'
const START_MS = 30_000
const GRACE_MS = 1500

interface Scene {
  readonly server: Netns
  readonly client: Netns
  readonly lns: Program
  readonly charons: { readonly server: RealCharon; readonly client: RealCharon }
  readonly folder: string
  sessions(): Promise<readonly { readonly protection: string; readonly phase: string }[]>
  /** `burrow connect` to an address. */
  connect(to: string, ...words: readonly string[]): Program
}

type Scope = Parameters<typeof makeNetns>[0]

async function scene(t: Scope, ike: '1' | '2', auth: 'psk' | 'certificate' = 'psk'): Promise<Scene> {
  const folder = mkdtempSync(join(tmpdir(), 'burrow-ipsec-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const [server, client] = [makeNetns(t), makeNetns(t)]
  joinByVeth(
    { netns: server, device: 'outside', address: `${OUTER.server}/24` },
    { netns: client, device: 'outside', address: `${OUTER.client}/24` },
  )
  server.ip(
    `addr add ${INNER.server}/32 dev lo`,
    `route add ${INNER.client} via ${OUTER.client} src ${INNER.server}`,
  )
  client.ip(
    `addr add ${INNER.client}/32 dev lo`,
    `route add ${INNER.server} via ${OUTER.server} src ${INNER.client}`,
  )
  const charons = { server: await startCharon(t, server), client: await startCharon(t, client) }
  const files = {
    psk: PSK,
    password: 'admin@123',
    'ca.pem': CA_PEM,
    'server.pem': SERVER_PEM,
    'server.key': SERVER_KEY,
    'client.pem': CLIENT_PEM,
    'client.key': CLIENT_KEY,
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 })
  const control = join(folder, 'control.sock')
  const config = join(folder, 'burrow.yaml')
  writeFileSync(
    config,
    `listen: [${INNER.server}, ${OUTER.server}]
gatewayAddress: 172.16.1.1
controlSocket: ${control}
plugins:
  - ipsec-strongswan:
      socket: ${charons.server.socket}
      graceMs: ${GRACE_MS}
      secrets: [{ psk: !file psk }]
      certificates: [{ certFile: server.pem, keyFile: server.key }]
      caFiles: [ca.pem]
      connections:
        - name: clients
          ike: '${ike}'
          mode: tunnel
          auth: ${auth}
          localSelectors: ['${INNER.server}[udp/1701]']
          remoteSelectors: ['${INNER.client}[udp]']
  - auth-local: { users: [{ user: hb@hb, password: !file password }] }
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }
  - policy-zones:
      rules:
        - { name: l2tp, from: untrust, to: local, destination: own-address, action: permit }
        - { name: ping, from: dmz, to: local, service: ping, action: permit }
`,
    { mode: 0o600 },
  )
  const lns = burrow(['serve', '-c', config], { netns: server.name })
  await lns.says(/Burrow listens/, START_MS)
  return {
    server,
    client,
    lns,
    charons,
    folder,
    async sessions() {
      const { stdout } = await burrow(['sessions', '--json', '--socket', control], { netns: server.name })
        .ended
      return JSON.parse(stdout)
    },
    connect: (to, ...words) =>
      burrow(
        [
          'connect',
          to,
          '--user',
          'hb@hb',
          '--password-file',
          join(folder, 'password'),
          '--timeout',
          '20',
          ...words,
        ],
        { netns: client.name },
      ),
  }
}

const inside = ({ folder, charons }: Scene, ike: '1' | '2', auth: 'psk' | 'certificate' = 'psk') => [
  ...['--ipsec-mode', 'tunnel', '--ipsec-ike', ike, '--ipsec-gateway', OUTER.server],
  ...['--ipsec-socket', charons.client.socket],
  ...(auth === 'psk'
    ? ['--ipsec-psk-file', join(folder, 'psk')]
    : ['cert', 'key', 'ca'].flatMap(what => [
        `--ipsec-${what}`,
        join(folder, { cert: 'client.pem', key: 'client.key', ca: 'ca.pem' }[what] ?? ''),
      ])),
]

/** One command to a charon. */
async function tell(
  { socket }: RealCharon,
  command: string,
  message: ViciMessage = {},
): Promise<ViciMessage> {
  const vici = await Vici.connect({ path: socket, clock: nodeClock, timeoutMs: 10_000 })
  try {
    return await vici.request(command, message)
  } finally {
    vici.close()
  }
}

async function sasOf({ socket }: RealCharon): Promise<number> {
  const vici = await Vici.connect({ path: socket, clock: nodeClock, timeoutMs: 10_000 })
  const sas = await vici.list('list-sas', 'list-sa')
  vici.close()
  return sas.length
}

async function play(t: Scope, ike: '1' | '2', auth: 'psk' | 'certificate'): Promise<void> {
  const made = await scene(t, ike, auth)
  const { lns, client, charons, sessions, connect } = made
  const ping = () => client.exec('ping', '-n', '-c', '2', '-i', '0.2', '-w', '5', '172.16.1.1')
  const logged = (pattern: RegExp) => (lns.stdout() + lns.stderr()).match(pattern)?.length ?? 0

  const clear = await connect(OUTER.server).ended
  assert.notEqual(clear.code, 0)
  assert.match(clear.stderr, /DIAL_REFUSED/)
  await lns.says(/L2TP in the clear: no IPsec SA is between 10\.1\.0\.2:\d+ and 10\.1\.0\.1:1701/)

  const call = connect(INNER.server, ...inside(made, ike, auth))
  await call.says(/up: 172\.16\.1\.2 -> 172\.16\.1\.1/, START_MS)
  assert.match(call.stdout(), new RegExp(`inside of IPsec: IKEv${ike} ESP in UDP tunnel AES`))
  ping()
  const [row] = await sessions()
  assert.match(row?.protection ?? '', new RegExp(`^IKEv${ike} ESP in UDP tunnel AES.* as `))
  await lns.says(new RegExp(`IKEv${ike} ESP[^\n]*session up`))

  // Rekeyed, and then deleted by the server: the client brings up another. Either way the call goes on.
  assert.equal((await tell(charons.server, 'rekey', { child: 'l2tp' })).success, 'yes')
  await charons.server.program().says(/CHILD_SA l2tp\{2\} established/)
  assert.equal((await tell(charons.server, 'terminate', { ike: 'burrow-clients' })).success, 'yes')
  await charons.server.program().says(/CHILD_SA l2tp\{3\} established/)
  // Longer than the grace.
  client.exec('ping', '-n', '-c', '5', '-i', '0.5', '-w', '10', '172.16.1.1')
  assert.equal(logged(/tunnel down/g), 0)

  // Taken down behind the back of both Burrows, with nobody to bring another up.
  await charons.client.end('SIGKILL')
  await charons.server.end('SIGTERM')
  await lns.says(/protection-lost[^\n]*tunnel down/, START_MS)
  assert.deepEqual(await sessions(), [])
  const { code, stderr } = await call.ended
  assert.notEqual(code, 0)
  assert.match(stderr, /charon is gone/)

  // And everything works again once charon does. The client leaves nothing behind in it.
  await charons.server.start()
  await charons.client.start()
  await until('charon to be found again', () => logged(/connected with charon/g) === 2)
  const again = connect(INNER.server, '--once', ...inside(made, ike, auth))
  assert.equal((await again.ended).code, 0, again.stderr())
  assert.equal(await sasOf(charons.client), 0)
  await until('the server to delete it as well', async () => (await sasOf(charons.server)) === 0)
  assert.deepEqual((await tell(charons.client, 'get-conns')).conns, [])
  assert.deepEqual((await tell(charons.client, 'get-shared')).keys, [])

  // What was loaded is unloaded with the server.
  await lns.end()
  assert.deepEqual((await tell(charons.server, 'get-conns')).conns, [])
}

async function playWrongKey(t: Scope): Promise<void> {
  const made = await scene(t, '2')
  writeFileSync(join(made.folder, 'psk'), 'another')
  const { code, stderr } = await made.connect(INNER.server, ...inside(made, '2')).ended
  assert.notEqual(code, 0)
  assert.match(stderr, /IPSEC_REFUSED/)
  assert.doesNotMatch(stderr, /another/)
  assert.deepEqual((await tell(made.charons.client, 'get-conns')).conns, [])
}

test('L2TP inside of IPsec: refused in the clear, accepted inside, and ended when the SA is gone for good', {
  skip: skipWithout('peers'),
  concurrency: 4,
}, async t => {
  const ways = [
    ['1', 'psk'],
    ['2', 'psk'],
    ['2', 'certificate'],
  ] as const
  await Promise.all([
    t.test('a wrong key is told to whoever dials', playWrongKey),
    ...ways.map(([ike, auth]) => t.test(`IKEv${ike} by ${auth}`, own => play(own, ike, auth))),
  ])
})
