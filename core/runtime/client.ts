/** A client: one call to an LNS, its TUN device and its routes, and the way back from all of it. */
import type { DataPlaneOptions, ListeningDataPlane } from '../dataplane/data-plane.ts'
import { BurrowError } from '../errors.ts'
import type { ProtectCall } from '../plugin/call-protection.ts'
import type { Clock, Logger, Milliseconds, Path, Random, SocketAddress } from '../ports.ts'
import { DEFAULT_L2TP, type DialRequest, type EndpointConfig } from '../protocol/config.ts'
import { Endpoint } from '../protocol/endpoint.ts'
import type {
  AuthMethod,
  EndReason,
  Event,
  SessionIpv6,
  SessionNetwork,
  TunnelProtection,
} from '../protocol/outputs.ts'
import { DEFAULT_PPP } from '../protocol/ppp/config.ts'
import { NO_IPV4 } from '../protocol/ppp/ipcp.ts'
import { socketText } from '../wire/socket-text.ts'
import { BoundedLog } from './bounded-log.ts'
import { ClientIpv6 } from './client-ipv6.ts'
import type { Decisions } from './decisions.ts'
import { type CallEnd, callEnd, dialError } from './dial-error.ts'
import { Driver, type Trace } from './driver.ts'
import type { Kernel } from './node/kernel.ts'
import { UndoStack } from './undo-stack.ts'

export interface ClientOptions {
  readonly remote: SocketAddress
  readonly user: string
  /** A promise: of one who is still asked for it. */
  readonly password: string | Promise<string>
  /** In which ways we are willing to prove ourselves. */
  readonly auth: readonly AuthMethod[]
  readonly mruBytes: number
  /** Prefixes of either family to reach through the tunnel; 0.0.0.0/0 and ::/0 are everything. Those of IPv6 wait for an address. */
  readonly routes: readonly string[]
  /** Ask for IPv6; a peer that has none leaves it out. */
  readonly ipv6: boolean
  readonly tunName: string
  readonly hostName: string
  /** Shared with the LNS for tunnel authentication. */
  readonly tunnelSecret?: string
  /** From the first datagram to a network that is up. */
  readonly dialTimeoutMs: Milliseconds
}

interface ClientWorld {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly kernel: Kernel
  readonly createDataPlane: (options: DataPlaneOptions) => ListeningDataPlane
  readonly trace?: Trace
  readonly onEvent?: (event: Event) => void
  /** Brings up what carries the call before it, and takes it down after it. */
  readonly protect?: ProtectCall
  /** Told when the device has an address of IPv6, and with undefined when it has none any more. */
  readonly onIpv6?: (ipv6: SessionIpv6 | undefined) => void
}

/** A call that is up. */
export interface Connection {
  readonly network: SessionNetwork
  readonly path: Path
  readonly tunName: string
  /** What carries it. */
  readonly protection?: TunnelProtection
  /** Resolves when the call is over, whoever ended it. */
  readonly ended: Promise<EndReason>
  /** Hangs up if need be and puts everything back. Idempotent. */
  close(): Promise<void>
}

/** For a Terminate-Request that is repeated once, CDN and StopCCN. */
const HANG_UP_MS = 5000
const SECRET_NAME = 'connect'

type SessionUp = Extract<Event, { kind: 'sessionUp' }>

/** How a dial went, as the events tell it. */
interface Call {
  readonly up: Promise<SessionUp>
  readonly ended: Promise<CallEnd>
  readonly onEvent: (event: Event) => void
  readonly onDataPlaneDown: (error: BurrowError) => void
  /** Told of the network as it is, and whenever it changes. */
  readonly onNetwork: (listener: (network: SessionNetwork) => void) => void
}

/**
 * Dials and resolves when the network is up; rejects with DIAL_REFUSED, DIAL_TIMEOUT, DIAL_AUTH or DIAL_FAILED, or
 * with the error of what could not be opened. `signal` gives up. Nothing is left behind.
 */
export async function connectClient(
  options: ClientOptions,
  world: ClientWorld,
  signal: AbortSignal,
): Promise<Connection> {
  const opened = new UndoStack(world.log)
  try {
    return await dial(options, world, signal, opened)
  } catch (error) {
    await opened.unwind()
    throw error
  }
}

async function dial(
  options: ClientOptions,
  world: ClientWorld,
  signal: AbortSignal,
  opened: UndoStack,
): Promise<Connection> {
  const { clock, log, kernel, random, trace, onEvent, onIpv6 = () => {}, createDataPlane } = world
  const { remote, tunName, mruBytes, ipv6: wantsIpv6 } = options
  const isIpv6 = (route: string) => route.includes(':')
  const routes = options.routes.filter(route => !isIpv6(route))
  const routes6 = options.routes.filter(isIpv6)
  const peer = socketText(remote)
  const address = await kernel.localAddressFor(remote)
  if (options.routes.length > 0) {
    // Before the dial and undone after it: what is routed into the tunnel must never swallow the tunnel itself.
    const pin = await kernel.pinHostRoute(remote.address)
    opened.push('the route to the LNS', () => pin.undo())
  }
  const dataPlane = createDataPlane({
    listen: [{ address, port: 0 }],
    tun: { name: tunName, mtuBytes: mruBytes },
  })
  const endpoint = new Endpoint(endpointConfig(options), random)
  const call = followCall()
  const bounded = new BoundedLog(log, clock)
  opened.push('the log', () => bounded.close())
  const driver = new Driver({
    endpoint,
    dataPlane,
    decisions: decideForClient(options.password),
    clock,
    random,
    log,
    bounded,
    interimIntervalS: () => 0,
    onEvent: event => {
      onEvent?.(event)
      call.onEvent(event)
    },
    onDataPlaneDown: call.onDataPlaneDown,
    ...(trace === undefined ? {} : { trace }),
  })
  await dataPlane.start()
  opened.push('the data plane', () => dataPlane.stop())
  const [local = { address, port: 0 }] = dataPlane.bound
  const path = { local, remote }
  const carried = await world.protect?.(path, signal)
  if (carried !== undefined) opened.push('IPsec', () => carried.close())
  const { tunnel, session } = driver.act(now => endpoint.dial(now, dialRequest(options, path)))
  if (carried !== undefined) {
    endpoint.protect(tunnel, carried.protection)
    void carried.lost.then(text =>
      driver.act(now => endpoint.dropTunnel(now, tunnel, { cause: 'protection-lost', text })),
    )
  }
  // From here on, whatever goes wrong, the peer is told.
  opened.push('the call', () =>
    driver.stop(HANG_UP_MS, now => endpoint.hangUp(now, session, { cause: 'local-hangup' })),
  )

  const up = await answered(call, signal, options.dialTimeoutMs, clock, peer)
  const { localAddress, peerAddress, mtuBytes } = up.network
  // An address of the peer's is a route to it; one to the LNS itself would lead the tunnel into the tunnel.
  const peerEnd = peerAddress === remote.address ? {} : { peer: peerAddress }
  const hasIpv4 = localAddress !== NO_IPV4.localAddress
  await kernel.configureTun(tunName, {
    ...(hasIpv4 ? { address: localAddress, ...peerEnd } : {}),
    mtuBytes,
    routes: hasIpv4 ? routes : [],
    ipv6: wantsIpv6,
  })
  const ipv6 = new ClientIpv6({ kernel, tunName, mtuBytes, routes: routes6, log, onChange: onIpv6 })
  opened.push('IPv6', () => ipv6.settled())
  call.onNetwork(network => ipv6.follow(network.ipv6))
  return {
    network: up.network,
    path,
    tunName,
    ...(carried === undefined ? {} : { protection: carried.protection }),
    ended: call.ended.then(({ reason }) => reason),
    close: () => opened.unwind(),
  }
}

function followCall(): Call {
  let onUp: (up: SessionUp) => void = () => {}
  let onEnd: (end: CallEnd) => void = () => {}
  let network: SessionNetwork | undefined
  let onNetwork: (network: SessionNetwork) => void = () => {}
  const up = new Promise<SessionUp>(resolve => {
    onUp = resolve
  })
  const ended = new Promise<CallEnd>(resolve => {
    onEnd = resolve
  })
  return {
    up,
    ended,
    onNetwork: listener => {
      onNetwork = listener
      if (network !== undefined) listener(network)
    },
    onDataPlaneDown: ({ message }) =>
      onEnd({ message: 'CDN', reason: { cause: 'no-resources', text: `data plane failed: ${message}` } }),
    onEvent: event => {
      const end = callEnd(event)
      if (event.kind === 'sessionUp' || event.kind === 'networkChanged') {
        network = event.network
        onNetwork(network)
      }
      if (event.kind === 'sessionUp') onUp(event)
      else if (end !== undefined) onEnd(end)
    },
  }
}

/** A client is asked for its own secret and takes no calls. */
function decideForClient(password: string | Promise<string>): Decisions {
  return {
    ask: (_askId, ask, answer) => {
      if (ask.kind !== 'ownSecret') answer({ kind: 'deny', reason: 'a client takes no calls' })
      else if (typeof password === 'string') answer({ kind: 'accept', secret: password })
      else
        void password.then(
          secret => answer({ kind: 'accept', secret }),
          () => answer({ kind: 'deny', reason: 'no password was given' }),
        )
    },
    withdraw: () => {},
    tell: async () => {},
    releaseLease: async () => {},
    over: () => {},
  }
}

function endpointConfig({ hostName, tunnelSecret }: ClientOptions): EndpointConfig {
  return {
    hostName,
    vendorName: 'Burrow',
    secrets: tunnelSecret === undefined ? [] : [{ name: SECRET_NAME, secret: tunnelSecret }],
    l2tp: DEFAULT_L2TP,
    ppp: DEFAULT_PPP.lac,
  }
}

function dialRequest({ user, auth, mruBytes, tunnelSecret, ipv6 }: ClientOptions, path: Path): DialRequest {
  return {
    path,
    ...(tunnelSecret === undefined ? {} : { secretName: SECRET_NAME }),
    ppp: { ...DEFAULT_PPP.lac, mruBytes, ipv6, authAs: { user, methods: auth } },
  }
}

/** The call that came up, or the error of why it did not. */
function answered(
  call: Call,
  signal: AbortSignal,
  timeoutMs: Milliseconds,
  clock: Clock,
  peer: string,
): Promise<SessionUp> {
  return new Promise<SessionUp>((resolve, reject) => {
    const giveUp = () =>
      settle(() => reject(new BurrowError('DIAL_FAILED', 'given up before the call was up')))
    const timeOut = () =>
      settle(() =>
        reject(new BurrowError('DIAL_TIMEOUT', `the call was not up within ${timeoutMs} ms`, { peer })),
      )
    const timer = clock.setTimer(timeoutMs, timeOut)
    const settle = (settled: () => void) => {
      timer.cancel()
      signal.removeEventListener('abort', giveUp)
      settled()
    }
    signal.addEventListener('abort', giveUp)
    void call.up.then(up => settle(() => resolve(up)))
    void call.ended.then(end => settle(() => reject(dialError(end, peer))))
    if (signal.aborted) giveUp()
  })
}
