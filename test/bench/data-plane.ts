/**
 * Rough throughput of the worker, client and LNS in namespaces of one machine, with iperf3 (package iperf3):
 * node dist/test/bench/data-plane.js [PORTS]
 */
import { once } from 'node:events'
import { PORTS_NAMES } from '../../core/dataplane/data-plane.ts'
import { openPair, PAIR_INSIDE } from '../support/data-plane-pair.ts'
import type { Netns } from '../support/netns.ts'

const SECONDS = 5
const INSIDE = PAIR_INSIDE.ipv4

const cleanup: (() => unknown)[] = []
const t = { after: (remove: () => unknown) => void cleanup.unshift(remove) }

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

const ports = PORTS_NAMES.find(name => name === process.argv[2])
const { client, lns, lnsPlane } = await openPair(t, ports)
console.log(lnsPlane.caps)
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
for (const remove of cleanup) await remove()
