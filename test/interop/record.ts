/**
 * Records real calls: of xl2tpd with xl2tpd for test/packets/captures, where Burrow is not there, and of xl2tpd with Burrow, of either side, for
 * test/packets/replays. `node dist/test/interop/record.js [NAME...]`, as root, with the packages of test/setup/peers.ts.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { burrow } from '../support/burrow.ts'
import { ROOT } from '../support/imports.ts'
import { run, start } from '../support/processes.ts'
import { until } from '../support/until.ts'
import { ADDRESS, startLab, XL2TPD_USER } from './lab.ts'

const SECRET = 'tunnel-secret'
const EAP_MD5 = join(ROOT, 'dist/test/support/eap-md5-plugin.js')
const EXCHANGES = [
  { name: 'xl2tpd-pap', auth: 'pap', secret: '' },
  { name: 'xl2tpd-chap-secret', auth: 'chap', secret: SECRET },
  { name: 'xl2tpd-mschapv2', auth: 'mschap-v2', secret: '' },
  { name: 'xl2tpd-eap-md5', auth: 'eap', secret: '' },
] as const
const REPLAYS = [
  { name: 'burrow-pap', auth: 'pap', secret: '' },
  { name: 'burrow-chap-secret', auth: 'chap-md5', secret: SECRET },
  { name: 'burrow-mschapv2', auth: 'mschapv2', secret: '' },
  { name: 'burrow-eap-md5', auth: 'eap', secret: '' },
] as const
const REPLAYS_OF_CLIENT = [
  { name: 'burrow-client-pap', auth: 'pap', served: 'pap', secret: '' },
  { name: 'burrow-client-chap-secret', auth: 'chap-md5', served: 'chap', secret: SECRET },
  { name: 'burrow-client-mschapv2', auth: 'mschapv2', served: 'mschap-v2', secret: '' },
  { name: 'burrow-client-eap-md5', auth: 'eap', served: 'eap', secret: '' },
  { name: 'burrow-client-ipv6', auth: 'chap-md5', served: 'chap', secret: '', ipv6: true },
] as const

/** Its Message Type AVP, which is the first (RFC 2661 4.4.1). */
const STOP_CCN = '8008000000000004'

const undo: (() => void | Promise<void>)[] = []
const lab = await startLab({ after: act => undo.unshift(act) }, 2)
const [lns, client] = [lab.guest(0), lab.guest(1)]
const versions = await client.versions()
const names = process.argv.slice(2)
const isWanted = ({ name }: { readonly name: string }) => names.length === 0 || names.includes(name)

for (const { name, auth, secret } of EXCHANGES.filter(isWanted)) {
  const about = { between: `${versions} on both ends`, auth, secret }
  await record(join('captures', name), lns.address, about, async () => {
    await lns.serve(auth, secret)
    await call(lns.address, secret, ADDRESS.xl2tpd)
    await lns.end()
  })
}
for (const { name, auth, secret } of REPLAYS.filter(isWanted)) {
  const about = { between: `${versions} as the client, Burrow as the LNS`, burrow: 'lns', auth, secret }
  const { user, password } = XL2TPD_USER
  const serving = await lab.serve(`ppp: { auth: [${auth}] }
${secret === '' ? '' : `secrets: [{ name: lab, secret: ${secret} }]`}
plugins:
  - ${EAP_MD5}: { users: { ${user}: ${password} } }
  - auth-local: { users: [${JSON.stringify(XL2TPD_USER)}] }
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }
  - policy-zones: { zones: { trust: [192.168.1.0/24] } }
`)
  await record(join('replays', name), ADDRESS.host, about, () => call(ADDRESS.host, secret))
  await serving.end()
}
for (const { name, auth, served, secret, ipv6 } of REPLAYS_OF_CLIENT.map(replay => ({
  ipv6: false,
  ...replay,
})).filter(isWanted)) {
  const peer = `${versions}${ipv6 ? ' and radvd' : ''} as the LNS`
  const about = { between: `Burrow as the client, ${peer}`, burrow: 'client', auth, secret, ipv6 }
  await lns.serve(served, secret, ipv6 ? ['+ipv6'] : [])
  if (ipv6) await lns.run('./advertise 2001:db8:70::/64 2001:db8:71::53 1380')
  await record(join('replays', name), lns.address, about, async () => {
    const words = ['--user', XL2TPD_USER.user, '--password-env', 'PASSWORD', '--auth', auth]
    const proof = secret === '' ? [] : ['--tunnel-secret-env', 'SECRET']
    const dialling = burrow(
      ['connect', lns.address, ...words, ...proof, ...(ipv6 ? [] : ['--no-ipv6', '--once'])],
      {
        netns: lab.host.name,
        env: { PASSWORD: XL2TPD_USER.password, SECRET: secret },
      },
    )
    if (ipv6) await dialling.says(/^IPv6: /m)
    const { code, stderr } = await (ipv6 ? dialling.end() : dialling.ended)
    assert.equal(code, 0, stderr)
    await lns.gone()
  })
}
for (const act of undo) await act()

/** A call of the client, from SCCRQ to StopCCN; with two pings inside of it, where somebody answers them. */
async function call(server: string, secret: string, pinged?: string): Promise<void> {
  await client.dial({ lns: server, ...XL2TPD_USER, secret })
  await client.addressed()
  if (pinged !== undefined) {
    const ping = await client.run(`ping -n -c 2 -i 0.3 ${pinged}`)
    assert.equal(ping.code, 0, ping.output)
  }
  await client.end()
  await client.gone()
}

async function record(
  path: string,
  server: string,
  about: Readonly<Record<'between' | 'auth' | 'secret', string>> & { readonly ipv6?: boolean },
  act: () => Promise<void>,
): Promise<void> {
  const pcap = join(lab.folder, 'call.pcap')
  const dumpcap = start(['dumpcap', '-P', '-i', 'br0', '-f', 'udp port 1701', '-w', pcap], {
    netns: lab.host.name,
  })
  await dumpcap.says(/File: /)
  await act()
  // It writes with some delay; the acknowledgement of StopCCN is the last that comes.
  await until('StopCCN and its acknowledgement', () => hasEnded(packetsOf(readFileSync(pcap), server)))
  await dumpcap.end('SIGINT')
  const file = join(ROOT, 'test/packets', `${path}.json`)
  const recorded = new Date().toISOString().slice(0, 10)
  const whole = { recorded, by: 'test/interop/record.ts', ...about, ...XL2TPD_USER }
  const packets = packetsOf(readFileSync(pcap), server)
  writeFileSync(file, `${JSON.stringify({ about: whole, packets }, null, 2)}\n`)
  await run(['node_modules/.bin/biome', 'format', '--write', file], { cwd: ROOT })
}

interface Packet {
  readonly from: 'client' | 'lns'
  /** Since the first. */
  readonly atMs: number
  readonly hex: string
}

/** The UDP payloads of a capture of Ethernet frames with IPv4 headers of 20 octets. */
function packetsOf(pcap: Buffer, server: string): readonly Packet[] {
  const packets: Packet[] = []
  let began: number | undefined
  for (let at = 24; at + 16 <= pcap.length; ) {
    const length = pcap.readUInt32LE(at + 8)
    const us = pcap.readUInt32LE(at) * 1_000_000 + pcap.readUInt32LE(at + 4)
    began ??= us
    const frame = pcap.subarray(at + 16, at + 16 + length)
    const source = [...frame.subarray(26, 30)].join('.')
    const udpLength = frame.readUInt16BE(38)
    packets.push({
      from: source === server ? 'lns' : 'client',
      atMs: Math.round((us - began) / 1000),
      hex: frame.subarray(42, 34 + udpLength).toString('hex'),
    })
    at += 16 + length
  }
  return packets
}

function hasEnded(packets: readonly Packet[]): boolean {
  const stop = packets.findIndex(({ hex }) => hex.startsWith(STOP_CCN, 24))
  return stop >= 0 && packets.slice(stop + 1).some(({ from }) => from !== packets[stop]?.from)
}
