/** A driver between an endpoint, a data plane and decisions that do what a test says, and write down what they are told. */
import type { DataPlane, DataPlaneEvent } from '../../core/dataplane/data-plane.ts'
import type { BurrowError } from '../../core/errors.ts'
import type { Flow, FlowCounters } from '../../core/flow.ts'
import type { Path, Random } from '../../core/ports.ts'
import type { Answer, Event, Lease, Output, SessionInfo, Verdict } from '../../core/protocol/outputs.ts'
import { BoundedLog } from '../../core/runtime/bounded-log.ts'
import type { Decisions, Observed } from '../../core/runtime/decisions.ts'
import type { DrivenEndpoint, Trace } from '../../core/runtime/driver.ts'
import { Driver } from '../../core/runtime/driver.ts'
import { memoryLog } from '../../core/testing/log.ts'
import { VirtualClock } from '../../core/testing/virtual-clock.ts'

export const PATH: Path = {
  local: { address: '192.0.2.1', port: 1701 },
  remote: { address: '198.51.100.7', port: 40000 },
}
const TUNNEL = {
  key: '192.0.2.1/1',
  role: 'lns',
  path: PATH,
  localTunnelId: 1,
  peerTunnelId: 2,
  peerHostName: 'phone',
} as const
export const SESSION: SessionInfo = {
  key: '192.0.2.1/1/81',
  id: 'a1',
  tunnel: TUNNEL,
  localSessionId: 81,
  peerSessionId: 77,
  callSerialNumber: 0,
}
export const LEASE: Lease = { owner: 'address-pool', kind: 'ipv4', value: '172.16.1.51', id: 'l1' }
export const GRANT = { user: 'hb@hb' }
const COUNTERS: FlowCounters = { packetsIn: 3n, octetsIn: 300n, packetsOut: 2n, octetsOut: 200n, drops: {} }
export const FLOW: Flow = {
  id: 5,
  generation: 1,
  path: PATH,
  localTunnelId: 1,
  localSessionId: 81,
  peerTunnelId: 2,
  peerSessionId: 77,
  prefixes: [{ address: LEASE.value, length: 32 }],
  mtuBytes: 1400,
  zone: 'dmz',
  header: { length: true, acfc: false, pfc: false },
  needs: { sequence: false, shaping: false, mss: true, nat: false },
}
export const UP: Extract<Event, { kind: 'sessionUp' }> = {
  kind: 'sessionUp',
  session: SESSION,
  grant: GRANT,
  leases: [LEASE],
  network: { localAddress: '172.16.1.1', peerAddress: LEASE.value, dns: [], nbns: [], mtuBytes: 1400 },
  flowId: FLOW.id,
}
export const DOWN: Extract<Event, { kind: 'sessionDown' }> = {
  kind: 'sessionDown',
  session: SESSION,
  wasUp: true,
  grant: GRANT,
  leases: [LEASE],
  reason: { cause: 'peer-hangup' },
  counters: COUNTERS,
  durationMs: 5000,
}

/** Neither early nor late. */
const MIDDLING: Random = {
  bytes: count => new Uint8Array(count),
  uint16: () => 0x8000,
  uint32: () => 0x80000000,
}

/** An endpoint, a data plane and decisions that do what a test tells them, and write down what they are told. */
export function scene({
  interimIntervalS = 0,
  random = MIDDLING,
  trace = () => {},
}: {
  interimIntervalS?: number
  random?: Random
  trace?: Trace
} = {}) {
  const told: string[] = []
  const outputs: Output[] = []
  const clock = new VirtualClock()
  const { log, lines } = memoryLog()
  const script = {
    onDatagram: (_bytes: Uint8Array): void => {},
    onAnswer: (_answer: Answer): void => {},
    onTell: async (_event: Observed): Promise<void> => {},
    upsert: async (): Promise<void> => {},
    remove: async (): Promise<readonly FlowCounters[]> => [COUNTERS],
    nextTimeout: undefined as number | undefined,
    quiet: true,
    counters: COUNTERS,
  }
  const endpoint: DrivenEndpoint = {
    handleDatagram: (_now, _path, bytes) => script.onDatagram(bytes),
    handleTimeout: now => {
      told.push(`timeout at ${now}`)
      script.nextTimeout = undefined
    },
    handleAnswer: (_now, answer) => {
      told.push(
        answer.kind === 'verdict'
          ? `verdict ${answer.askId} ${answer.verdict.kind}`
          : `removed ${answer.flowId}/${answer.generation} in=${answer.counters.octetsIn}`,
      )
      script.onAnswer(answer)
    },
    pollOutput: () => outputs.shift(),
    nextTimeout: () => script.nextTimeout,
    hangUp: (_now, key, { cause }) => told.push(`hang up ${key} ${cause}`),
    shutdown: () => told.push('shutdown'),
    isQuiet: () => script.quiet,
  }
  let listener: (event: DataPlaneEvent) => void = () => {}
  const dataPlane: DataPlane = {
    caps: { stages: ['script'], offloads: [] },
    upsert: async flows => {
      told.push(`upsert ${flows.map(flow => flow.id)}`)
      await script.upsert()
    },
    remove: flows => {
      told.push(`remove ${flows.map(flow => flow.id)}`)
      return script.remove()
    },
    readCounters: () => [script.counters],
    readRuleCounters: () => [],
    setFlowPolicy: async id => {
      told.push(`policy ${id}`)
    },
    setPolicy: async () => {},
    setLocalPrefixes: async () => {},
    send: (_path, bytes) => told.push(`send ${bytes.join()}`),
    onEvent: heard => {
      listener = heard
    },
    start: async () => {},
    stop: async () => {},
  }
  const answers = new Map<number, (verdict: Verdict) => void>()
  const decisions: Decisions = {
    ask: (askId, ask, answer) => {
      told.push(`ask ${askId} ${ask.kind}`)
      answers.set(askId, answer)
    },
    withdraw: askId => told.push(`withdraw ${askId}`),
    tell: async event => {
      told.push(`tell ${event.kind}`)
      await script.onTell(event)
      told.push(`told ${event.kind}`)
    },
    releaseLease: async lease => {
      told.push(`release ${lease.value}`)
    },
    over: () => {},
  }
  const bounded = new BoundedLog(log, clock)
  const onDataPlaneDown = ({ code, message }: BurrowError) => void told.push(`${code}: ${message}`)
  const driver = new Driver({
    endpoint,
    dataPlane,
    decisions,
    clock,
    random,
    log,
    bounded,
    interimIntervalS: () => interimIntervalS,
    onDataPlaneDown,
    trace,
  })
  return {
    told,
    lines,
    clock,
    script,
    driver,
    bounded,
    answers,
    hear: (event: DataPlaneEvent) => listener(event),
    datagram: (...bytes: number[]) =>
      listener({ kind: 'datagram', path: PATH, bytes: Uint8Array.of(...bytes) }),
    put: (...more: Output[]) => outputs.push(...more),
    emit: (...events: Event[]) =>
      driver.act(() => outputs.push(...events.map(event => ({ kind: 'event', event }) as const))),
    ask: (askId: number, kind: 'authenticate' | 'assignAddress') => {
      const proof = { method: 'pap', password: 'x' } as const
      const ask =
        kind === 'authenticate'
          ? ({ kind, session: SESSION, user: 'hb@hb', proof } as const)
          : ({ kind, session: SESSION, grant: GRANT, address: 'ipv4' } as const)
      driver.act(() => outputs.push({ kind: 'ask', askId, ask }))
    },
  }
}

export const transmit = (byte: number): Output => ({
  kind: 'transmit',
  path: PATH,
  bytes: Uint8Array.of(byte),
})
