import type { ErrorCode } from '../errors.ts'
import type { AclRule, DropReason, Flow, FlowCounters, Prefix } from '../flow.ts'
import type { Path, SocketAddress } from '../ports.ts'
import type { RuleCount } from './policy/rule-counters.ts'

/** What handed up to the control plane. Bounded per session; never displaces control messages. */
export type DataPlaneEvent =
  /** A control message, or a data message whose PPP protocol is not forwarded (LCP, IPCP, ...) or whose flow is unknown: the whole datagram. */
  | { readonly kind: 'datagram'; readonly path: Path; readonly bytes: Uint8Array }
  /** A packet from the TUN that no flow owns, or one that was refused; told at a bounded rate, always counted. */
  | {
      readonly kind: 'drop'
      readonly reason: DropReason
      readonly flowId?: number
      readonly source?: string
      readonly destination?: string
      /** Name of the rule that refused it, where one did. */
      readonly rule?: string
    }
  /** A rule with `log` permitted the first packet of a conversation; told at a bounded rate, always counted. */
  | {
      readonly kind: 'permitted'
      readonly rule: string
      readonly flowId: number
      readonly source?: string
      readonly destination?: string
    }
  /**
   * Which implementation runs. `down`: it failed, for `reason`, and nothing is forwarded until it is `up` again, with all flows and
   * rules that it had; `failed`: it is not started again.
   */
  | {
      readonly kind: 'stage'
      readonly stage: string
      readonly state: 'up' | 'down' | 'failed'
      /** Of `up`: why it was down. */
      readonly reason?: string
      /** Of `failed`. */
      readonly code?: ErrorCode
    }

export interface DataPlaneCaps {
  /** Stages that run, fastest first: 'memory', 'inline', 'dgram', 'worker'; later 'ebpf'. */
  readonly stages: readonly string[]
  /** What the kernel does for many packets at once. */
  readonly offloads: readonly string[]
}

/**
 * Forwards the packets of established sessions. Flows go in, counters and events come out, so that a worker in
 * user space, a kernel program and a memory double all fit behind it. The worker stage holds every flow; a
 * faster stage in front may miss or die at the cost of speed only.
 */
export interface DataPlane {
  readonly caps: DataPlaneCaps
  /** Installs or replaces flows; idempotent. A lower generation of the same id is ignored. */
  upsert(flows: readonly Flow[]): Promise<void>
  /**
   * Removes flows. Resolves when every stage has let go, with the final counters in the order asked; an unknown
   * (id, generation) yields zero counters.
   */
  remove(
    flows: readonly { readonly id: number; readonly generation: number }[],
  ): Promise<readonly FlowCounters[]>
  /** Counters of `count` slots from `firstId`, summed over stages. */
  readCounters(firstId: number, count: number): readonly FlowCounters[]
  /**
   * The rules of a flow's own policy; replaces what was there, at once for live flows: a conversation that they permit no longer ends. A list
   * that many flows have is compiled once, if it is one and the same; it must not change.
   */
  setFlowPolicy(flowId: number, generation: number, rules: readonly AclRule[]): Promise<void>
  /** Rules for every flow of `zone` that has no policy of its own. */
  setPolicy(zone: string, rules: readonly AclRule[]): Promise<void>
  /** What each rule decided on, by its name, since the start; what no rule matched by an empty one. Summed over stages. */
  readRuleCounters(): readonly RuleCount[]
  /** Addresses of the host itself: nothing passes between them and a session but by rules that have `host`. */
  setLocalPrefixes(prefixes: readonly Prefix[]): Promise<void>
  /** Sends a datagram of the control plane from `path.local` to `path.remote`. Never throws; failures are counted. */
  send(path: Path, bytes: Uint8Array): void
  /** The one listener; set before `start`. */
  onEvent(listener: (event: DataPlaneEvent) => void): void
  start(): Promise<void>
  /** Drains what was sent, then closes sockets and the TUN. Idempotent. */
  stop(): Promise<void>
}

/** Fastest first: with super-packets of TCP and UDP, of TCP alone, as many packets a system call as without those, and as Node has them. */
export const PORTS_NAMES = ['offloads', 'offloads-tcp', 'batches', 'dgram'] as const
/** How packets pass between the kernel and the data plane. */
export type PortsName = (typeof PORTS_NAMES)[number]

export interface DataPlaneOptions {
  /** '0.0.0.0' listens on every address; replies leave from the one that was addressed. Port 0 takes a free port. */
  readonly listen: readonly SocketAddress[]
  /** Absent: no device is made, and inner packets have nowhere to go. */
  readonly tun: { readonly name: string; readonly mtuBytes: number } | undefined
  /** Absent: the fastest that this kernel has. Where it does not have this one, `start` throws DATA_PLANE_UNAVAILABLE. */
  readonly ports?: PortsName
  /** Flow ids are below this; 65,536 when absent. */
  readonly maxFlows?: number
  /** Conversations of sessions that are known at a time, so that what answers them passes; 262,144 when absent. */
  readonly maxConnections?: number
}

/** What happened to packets that belong to no flow, and to what was handed up. Monotonic. */
export interface DataPlaneTotals {
  readonly drops: FlowCounters['drops']
  /** Datagrams handed up, and those over their budget or too large for any peer's. */
  readonly handedUp: bigint
  readonly notHandedUp: bigint
  /** Calls of `send` that failed. */
  readonly unsent: bigint
  /** How often a stage failed and was started anew. */
  readonly restarts: number
}

/** A data plane with sockets of its own. */
export interface ListeningDataPlane extends DataPlane {
  /** What is listened on, with the ports that were taken; in the order of `listen`, empty before `start`. */
  readonly bound: readonly SocketAddress[]
  totals(): DataPlaneTotals
}
