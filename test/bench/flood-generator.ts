/** Sends SCCRQs from forged addresses of 10/8, each another, until SIGTERM; then prints how many a second. */
import { BATCH_PACKETS, HEADROOM_BYTES, PacketBatch } from '../../core/dataplane/ports.ts'
import { UdpSocket } from '../../core/dataplane/tun/udp-socket.ts'
import { encodeControl } from '../../core/wire/control-message.ts'
import { parseIpv4 } from '../../core/wire/ip.ts'

const L2TP_PORT = 1701
const FORGED_NETWORK = 0x0a000000

const [, , lns = '127.0.0.1'] = process.argv
const socket = UdpSocket.open({ address: '0.0.0.0', port: 0 })
const batch = new PacketBatch(1024)
const sccrq = encodeControl(
  { tunnelId: 0, sessionId: 0, ns: 0, nr: 0 },
  {
    type: 'SCCRQ',
    avps: {
      protocolVersion: { version: 1, revision: 0 },
      hostName: 'nobody',
      framingCapabilities: { async: false, sync: true },
      assignedTunnelId: 1,
    },
  },
)
for (let i = 0; i < BATCH_PACKETS; i++) batch.bytes.set(sccrq, i * batch.slotBytes + HEADROOM_BYTES)

let sent = 0
let running = true
const began = performance.now()
process.on('SIGTERM', () => {
  running = false
})
const turn = (): void => {
  for (let i = 0; i < BATCH_PACKETS; i++) {
    batch.at[i] = i * batch.slotBytes + HEADROOM_BYTES
    batch.length[i] = sccrq.length
    batch.localAddress[i] = FORGED_NETWORK | ((sent * 64 + i) % 0xffffff)
    batch.remoteAddress[i] = parseIpv4(lns) ?? 0
    batch.remotePort[i] = L2TP_PORT
  }
  socket.send(batch, 0, BATCH_PACKETS)
  sent++
  if (running) return void setImmediate(turn)
  const seconds = (performance.now() - began) / 1000
  process.stdout.write(`${Math.round((sent * BATCH_PACKETS) / seconds)} a second\n`)
  socket.close()
}
turn()
