/** What Burrow's own server and client say to each other, as Wireshark reads it: nothing malformed, nothing that it warns of. */
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { join } from 'node:path'
import { test } from 'node:test'
import { skipWithout } from '../setup/peers.ts'
import { burrow } from '../support/burrow.ts'
import { HEADQUARTERS, headquarters } from '../support/headquarters.ts'
import { run, start } from '../support/processes.ts'
import { until } from '../support/until.ts'

const { lns: LNS, web: WEB, password: PASSWORD } = HEADQUARTERS
const SECRET = 'tunnel-secret'
const START_MS = 20_000
/** Of Wireshark: chat, note, warning, error. */
const NOTE = 0x400000
/** An SCCRQ whose AVP is longer than the message, from a port of its own: what shows that the rest was looked at. */
const BAD = { port: 4444, datagram: Buffer.from('c80200140000000000000000803f000000000001', 'hex') }
const EVERY_PROTOCOL = ['l2tp', 'lcp', 'pap', 'chap', 'eap', 'ipcp', 'icmp'] as const

interface Frame {
  readonly number: string
  readonly port: string
  readonly protocols: string
  readonly severities: readonly number[]
  readonly text: string
}

test('Wireshark finds no fault with a call of each method, a refusal, and the end of the server', {
  skip: skipWithout('dissector'),
}, async t => {
  const { server, client, folder, serve } = headquarters(t)
  const capture = join(folder, 'calls.pcap')
  const dumpcap = start(['dumpcap', '-i', 'outside', '-f', 'udp', '-w', capture], { netns: server.name })
  await dumpcap.says(/File: /)

  const lns = await serve(`listen: [${LNS}]
secrets: [{ name: lab, secret: ${SECRET} }]
ppp: { auth: [mschapv2, chap-md5, pap, eap] }
plugins:
  - auth-local: { users: [{ user: hb@hb, password: ${PASSWORD} }] }
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }
  - policy-zones: { zones: { trust: [192.168.1.0/24] } }
`)
  const dial = (auth: string, password: string = PASSWORD) => {
    const who = ['--user', 'hb@hb', '--password-env', 'PASSWORD', '--tunnel-secret-env', 'SECRET']
    const env = { PASSWORD: password, SECRET }
    const words = [...who, '--auth', auth, '--route', '192.168.1.0/24']
    return burrow(['connect', LNS, ...words], { netns: client.name, env })
  }
  for (const auth of ['pap', 'chap', 'mschapv2', 'eap']) {
    const call = dial(auth)
    await call.says(/^up: /m, START_MS)
    for (const bytes of [56, 1372]) {
      const ping = ['ping', '-n', '-c1', '-w5', '-M', 'do', '-s', `${bytes}`, WEB]
      const { code, stdout } = await run(ping, { netns: client.name })
      assert.equal(code, 0, stdout)
    }
    assert.equal((await call.end()).code, 0)
  }
  for (const auth of ['pap', 'chap', 'mschapv2', 'eap'])
    assert.equal((await dial(auth, 'looking-glass').ended).code, 4)
  const last = dial('pap')
  await last.says(/^up: /m, START_MS)
  await lns.end('SIGTERM', START_MS)
  await last.ended
  await client.inside(() => sendBad())

  const frames = await until('the whole capture', async () => {
    const read = await dissect(capture)
    return read.some(({ port }) => port === String(BAD.port)) && read
  })
  await dumpcap.end('SIGINT')

  for (const protocol of EVERY_PROTOCOL)
    assert.ok(
      frames.some(({ protocols }) => protocols.split(':').includes(protocol)),
      protocol,
    )
  const suspect = frames.filter(
    ({ protocols, severities }) =>
      protocols.includes('_ws.malformed') || severities.some(severity => severity > NOTE),
  )
  const [bad, ...others] = suspect.reverse()
  assert.equal(bad?.port, String(BAD.port), 'what is malformed is found')
  assert.deepEqual(others, [])
})

function sendBad(): Promise<void> {
  const socket = createSocket('udp4')
  return new Promise(resolve => {
    socket.bind(BAD.port, () => socket.send(BAD.datagram, 1701, LNS, () => socket.close(resolve)))
  })
}

async function dissect(capture: string): Promise<readonly Frame[]> {
  const fields = [
    'frame.number',
    'udp.srcport',
    'frame.protocols',
    '_ws.expert.severity',
    '_ws.expert.message',
  ]
  const words = ['-r', capture, '-T', 'fields', ...fields.flatMap(field => ['-e', field])]
  const { stdout } = await run(['tshark', ...words], { deadlineMs: START_MS })
  return stdout
    .split('\n')
    .filter(line => line !== '')
    .map(line => {
      const [number = '', port = '', protocols = '', severities = '', text = ''] = line.split('\t')
      return {
        number,
        port,
        protocols,
        severities: severities.split(',').filter(Boolean).map(Number),
        text,
      }
    })
}
