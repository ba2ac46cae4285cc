/**
 * Records the golden exchanges of test/packets/captures: xl2tpd calls xl2tpd, Burrow is not there.
 * `node dist/test/interop/record.js`, as root, with tcpdump installed beside the packages of test/setup/peers.ts.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../support/imports.ts'
import { run, start } from '../support/processes.ts'
import { ADDRESS, startLab, XL2TPD_USER } from './lab.ts'

const EXCHANGES = [
  { name: 'xl2tpd-pap', auth: 'pap', secret: '' },
  { name: 'xl2tpd-chap-secret', auth: 'chap', secret: 'tunnel-secret' },
] as const

const undo: (() => void | Promise<void>)[] = []
const lab = await startLab({ after: act => undo.push(act) }, 2)
const [lns, client] = [lab.guest(0), lab.guest(1)]
const versions = await client.versions()

for (const { name, auth, secret } of EXCHANGES) {
  const pcap = join(lab.folder, `${name}.pcap`)
  const tcpdump = start(['tcpdump', '-i', 'br0', '-U', '-Z', 'root', '-w', pcap, 'udp port 1701'], {
    netns: lab.host.name,
  })
  await tcpdump.says(/listening on/)
  await lns.serve(auth, secret)
  await client.dial({ lns: lns.address, ...XL2TPD_USER, secret })
  await client.addressed()
  const ping = await client.run(`ping -n -c 2 -i 0.3 ${ADDRESS.xl2tpd}`)
  assert.equal(ping.code, 0, ping.output)
  await client.end()
  await client.gone()
  await lns.end()
  await tcpdump.end('SIGINT')
  const file = join(ROOT, 'test/packets/captures', `${name}.json`)
  const about = {
    recorded: new Date().toISOString().slice(0, 10),
    by: 'test/interop/record.ts',
    between: `${versions} on both ends`,
    auth,
    secret,
    ...XL2TPD_USER,
  }
  writeFileSync(
    file,
    `${JSON.stringify({ about, packets: packetsOf(readFileSync(pcap), client.address) }, null, 2)}\n`,
  )
  await run(['node_modules/.bin/biome', 'format', '--write', file], { cwd: ROOT })
}
for (const act of undo) await act()

/** The UDP payloads of a capture of Ethernet frames with IPv4 headers of 20 octets. */
function packetsOf(pcap: Buffer, clientAddress: string): readonly { from: string; hex: string }[] {
  const packets = []
  for (let at = 24; at < pcap.length; ) {
    const length = pcap.readUInt32LE(at + 8)
    const frame = pcap.subarray(at + 16, at + 16 + length)
    const source = [...frame.subarray(26, 30)].join('.')
    const udpLength = frame.readUInt16BE(38)
    packets.push({
      from: source === clientAddress ? 'client' : 'lns',
      hex: frame.subarray(42, 34 + udpLength).toString('hex'),
    })
    at += 16 + length
  }
  return packets
}
