/**
 * Rough throughput of the worker, client and LNS in namespaces of one machine, with iperf3 (package iperf3):
 * node dist/test/bench/data-plane.js
 */
import { once } from 'node:events'
import { createWorkerDataPlane } from '../../core/dataplane/worker-client.ts'
import type { Flow } from '../../core/flow.ts'
import type { Path } from '../../core/ports.ts'
import { linuxKernel } from '../../core/runtime/node/linux-kernel.ts'
import { flowOf, PERMIT_ALL } from '../contracts/data-plane-bench.ts'
import { joinByVeth, makeNetns, type Netns } from '../support/netns.ts'

const SECONDS = 5
const TUN = { name: 'bt0', mtuBytes: 1400 }
const INSIDE = '192.168.1.1'
const INNER = '10.0.0.0'

const cleanup: (() => void)[] = []
const t = { after: (remove: () => void) => void cleanup.push(remove) }

async function open(netns: Netns, address: string, routes: readonly string[]) {
  const plane = createWorkerDataPlane({ listen: [{ address: '0.0.0.0', port: 1701 }], tun: TUN })
  await netns.inside(() => plane.start())
  await netns.inside(() =>
    linuxKernel.configureTun(TUN.name, { address, mtuBytes: TUN.mtuBytes, routes, ipv6: false }),
  )
  await plane.setPolicy('dmz', PERMIT_ALL)
  return plane
}

async function iperf(client: Netns, ...args: readonly string[]): Promise<string> {
  const child = client.spawn('iperf3', ['-J', '-c', INSIDE, '-t', String(SECONDS), ...args], {
    stdio: 'pipe',
  })
  let output = ''
  child.stdout?.on('data', chunk => {
    output += chunk
  })
  await once(child, 'close')
  const { sum_received: received, sum } = JSON.parse(output).end
  const { bits_per_second, packets, lost_packets = 0, seconds } = received ?? sum
  const gigabits = `${(bits_per_second / 1e9).toFixed(2)} Gbit/s`
  return packets === undefined
    ? gigabits
    : `${gigabits}, ${Math.round((packets - lost_packets) / seconds / 1000)} kpps`
}

const [client, lns] = [makeNetns(t), makeNetns(t)]
joinByVeth(
  { netns: client, device: 'out', address: '192.0.2.100/24' },
  { netns: lns, device: 'out', address: '192.0.2.1/24' },
)
const lnsPlane = await open(lns, INSIDE, [`${INNER}/32`])
const clientPlane = await open(client, INNER, ['0.0.0.0/0'])
const ends: Path = {
  local: { address: '192.0.2.1', port: 1701 },
  remote: { address: '192.0.2.100', port: 1701 },
}
const atLns = flowOf(0, ends)
const atClient: Flow = {
  ...flowOf(0, { local: ends.remote, remote: ends.local }),
  localTunnelId: atLns.peerTunnelId,
  localSessionId: atLns.peerSessionId,
  peerTunnelId: atLns.localTunnelId,
  peerSessionId: atLns.localSessionId,
  prefixes: [{ address: '0.0.0.0', length: 0 }],
}
await lnsPlane.upsert([atLns])
await clientPlane.upsert([atClient])
const server = lns.spawn('iperf3', ['-s'], { stdio: 'ignore' })
await new Promise(resolve => setTimeout(resolve, 500))

const idle = process.cpuUsage()
await new Promise(resolve => setTimeout(resolve, 2000))
const { user, system } = process.cpuUsage(idle)
console.log(`idle, two planes: ${((user + system) / 2e4).toFixed(2)} % of a core`)
console.log('TCP up:', await iperf(client))
console.log('TCP down:', await iperf(client, '-R'))
console.log('UDP 64 B up:', await iperf(client, '-u', '-b', '0', '-l', '64'))
console.log('UDP 64 B down:', await iperf(client, '-u', '-b', '0', '-l', '64', '-R'))
console.log(lnsPlane.readCounters(0, 1)[0])
server.kill()
await Promise.all([lnsPlane.stop(), clientPlane.stop()])
for (const remove of cleanup) remove()
