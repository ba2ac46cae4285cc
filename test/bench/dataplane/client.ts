/** The process of Burrow's own client: a call to an LNS, or a flow to one that has no control plane; as many as are asked for. */
import type { DataPlaneOptions, ListeningDataPlane } from '../../../core/dataplane/data-plane.ts'
import { createWorkerDataPlane } from '../../../core/dataplane/worker-client.ts'
import type { Flow } from '../../../core/flow.ts'
import type { SocketAddress } from '../../../core/ports.ts'
import { connectClient } from '../../../core/runtime/client.ts'
import { nodeClock } from '../../../core/runtime/node/clock.ts'
import { linuxKernel } from '../../../core/runtime/node/linux-kernel.ts'
import { createLogger } from '../../../core/runtime/node/logger.ts'
import { createNodeRandom } from '../../../core/runtime/node/random.ts'
import { PERMIT_ALL } from '../../contracts/data-plane-bench.ts'
import { serveAgent } from '../../support/agent.ts'

/** What the client's data plane is made with, by how much it may leave to the kernel. */
export const RUNGS = {
  /** All that this kernel has. */
  offloads: {},
  /** Batches of packets as they are on the wire. */
  'no offloads': { ports: 'batches' },
} as const satisfies Record<string, Partial<DataPlaneOptions>>
export type Rung = keyof typeof RUNGS

const MTU_BYTES = 1400
const DIAL_TIMEOUT_MS = 60_000

const planes: Record<Rung, ListeningDataPlane[]> = { offloads: [], 'no offloads': [] }

const planeOf = (rung: Rung) => (options: DataPlaneOptions) => {
  const plane = createWorkerDataPlane({ ...options, ...RUNGS[rung] })
  planes[rung].push(plane)
  return plane
}

const handlers = {
  async dial(lns: SocketAddress, user: string, password: string, tunName: string, route: string, rung: Rung) {
    const world = {
      clock: nodeClock,
      random: createNodeRandom(),
      log: createLogger({ level: 'warn' }),
      kernel: linuxKernel,
      createDataPlane: planeOf(rung),
    }
    const options = {
      remote: lns,
      user,
      password,
      auth: ['chap-md5', 'pap'] as const,
      mruBytes: MTU_BYTES,
      routes: [route],
      ipv6: false,
      tunName,
      hostName: 'bench',
      dialTimeoutMs: DIAL_TIMEOUT_MS,
    }
    await connectClient(options, world, new AbortController().signal)
  },
  /** `flow` is that of the client. */
  async assume(flow: Flow, address: string, tunName: string, route: string, rung: Rung) {
    const plane = planeOf(rung)({ listen: [flow.path.local], tun: { name: tunName, mtuBytes: MTU_BYTES } })
    await plane.start()
    await linuxKernel.configureTun(tunName, { address, mtuBytes: MTU_BYTES, routes: [route], ipv6: false })
    await plane.setPolicy(flow.zone, PERMIT_ALL)
    await plane.upsert([flow])
  },
  /** Those that the kernel has. */
  offloads: (rung: Rung) => [...new Set(planes[rung].flatMap(({ caps }) => caps.offloads))],
}
export type Client = typeof handlers

serveAgent(handlers)
