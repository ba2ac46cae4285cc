/** One PPP link (RFC 1661 3): its phases, driven by frames, timers and verdicts. State is plain data. */
import { decodePppFrame, PPP, type PppFrame } from '../../wire/ppp-frame.ts'
import type { AuthMethod, EndReason, Grant, SessionPolicy, Verdict } from '../outputs.ts'
import {
  type AuthNews,
  type AuthProtocol,
  createLogin,
  createProof,
  type LoginState,
  type ProofState,
} from './auth.ts'
import { CHAP } from './chap.ts'
import { cpEvent, cpReceive, cpTimeout, isEnding, isNegotiating, type Signal } from './control-protocol.ts'
import { type DecisionOutcome, decided, decideProof, decideUnproven } from './decisions.ts'
import { onIpv4Packet } from './dhcp-inform.ts'
import { EAP, isAcceptedOtherwise } from './eap.ts'
import { onHostPacket, onRouterLifetime, solicit } from './host.ts'
import { IPCP } from './ipcp.ts'
import { IPV6CP } from './ipv6cp.ts'
import { LCP, sendEcho, sendProtocolReject } from './lcp.ts'
import type { LinkEnv, LinkTimer } from './link-env.ts'
import { ENDED, endedBy, type LinkPhase, type LinkState, setupTimedOut } from './link-state.ts'
import { mtuBytes } from './mtu.ts'
import {
  enterNetwork,
  hasIpv6,
  leaveNetwork,
  loseIpv4,
  onIpcp,
  onIpv6cp,
  resumeIpv6,
  tellNetwork,
} from './network.ts'
import { PAP } from './pap.ts'
import { adoptNegotiation, type Proxied, type ProxiedAuth, proxiedPacket } from './proxied.ts'
import { advertise, onIpv6Packet } from './router.ts'

export { createLink, type LinkState } from './link-state.ts'

const AUTH: Readonly<Record<AuthMethod, AuthProtocol>> = {
  pap: PAP,
  'chap-md5': CHAP,
  mschapv2: CHAP,
  eap: EAP,
}
const TIMERS: readonly LinkTimer[] = [
  'lcp-restart',
  'ipcp-restart',
  'ipv6cp-restart',
  'auth',
  'auth-retransmit',
  'login-retransmit',
  'echo',
  'router-advertisement',
  'router-solicitation',
  'router-lifetime',
  'setup',
]

/** The call is up: begins LCP, or goes on where whoever passed the call on to us left it. */
export function startLink(link: LinkState, env: LinkEnv, proxied: Proxied = {}): void {
  if (link.phase !== 'dead' || link.ending !== undefined) return
  link.phase = 'establish'
  env.setTimer('setup', env.config.setupTimeoutMs)
  if (adoptNegotiation(link.lcp, env, proxied)) {
    link.proxied = 'lcp'
    return beginAuthentication(link, env, proxied.auth)
  }
  cpEvent(LCP, link.lcp, env, 'Open')
  cpEvent(LCP, link.lcp, env, 'Up')
}

/** A PPP frame from the peer, with or without FF 03. Never throws; what is ignored is told by `env.drop`. */
export function linkFrame(link: LinkState, env: LinkEnv, bytes: Uint8Array): void {
  const frame = decodePppFrame(bytes)
  const rule = frame && (FRAME_RULES.get(frame.protocol) ?? UNKNOWN_PROTOCOL)
  if (frame?.protocol === PPP.IPCP && link.phase === 'authenticate' && isAcceptedOtherwise(link.login))
    onAuthNews(link, env, { kind: 'login-accepted' })
  if (frame === undefined || rule === undefined) env.drop('ppp-malformed')
  else if (!rule.phases.has(link.phase)) env.drop('ppp-phase')
  else rule.receive(link, env, frame)
}

/** A deadline that the link set has passed. */
export function linkTimer(link: LinkState, env: LinkEnv, name: LinkTimer): void {
  if (link.phase !== 'dead') TIMEOUTS[name](link, env)
}

/** A verdict on an ask of this link; one that is no longer wanted is ignored. */
export function linkAnswer(link: LinkState, env: LinkEnv, askId: number, verdict: Verdict): void {
  if (link.login?.askId === askId) onSecret(link, link.login, env, verdict)
  else if (link.pending?.askId === askId) onDecision(link, env, decided(link, env, verdict))
}

/** Another grant and policy for a peer that was admitted, under the name that it proved. False: it was not, or is leaving. */
export function regrantLink(link: LinkState, env: LinkEnv, grant: Grant, policy: SessionPolicy): boolean {
  if (link.ending !== undefined || link.grant === undefined) return false
  link.grant = { ...grant, user: link.grant.user }
  link.policy = policy
  if (link.networkUp) tellNetwork(link, env)
  return true
}

/** Ends the link cleanly: Terminate-Request, then `env.closed(reason)`, at the latest when retries are exhausted. */
export function closeLink(link: LinkState, env: LinkEnv, reason: EndReason): void {
  if (link.ending !== undefined) return
  const started = link.phase !== 'dead'
  beginEnding(link, env, reason)
  if (started) onLcp(link, env, cpEvent(LCP, link.lcp, env, 'Close'))
  else finish(link, env)
}

/**
 * The session beneath is gone: withdraws asks and timers, sends nothing, calls nothing else. Returns the
 * reason that the link was already ending for, which is truer than the session's own.
 */
export function linkLost(link: LinkState, env: LinkEnv): EndReason | undefined {
  const reason = link.ending
  link.phase = 'dead'
  link.ending ??= { cause: 'peer-hangup' }
  link.networkUp = false
  withdrawAsks(link, env)
  for (const timer of TIMERS) env.clearTimer(timer)
  return reason
}

interface FrameRule {
  /** Elsewhere the frame is dropped (RFC 1661 3). */
  readonly phases: ReadonlySet<LinkPhase>
  readonly receive: (link: LinkState, env: LinkEnv, frame: PppFrame) => void
}

const ALIVE: ReadonlySet<LinkPhase> = new Set(['establish', 'authenticate', 'network', 'terminate'])
const OPEN: ReadonlySet<LinkPhase> = new Set(['authenticate', 'network'])
const NETWORK: ReadonlySet<LinkPhase> = new Set(['network'])
const AUTH_FRAME: FrameRule = { phases: OPEN, receive: onAuthFrame }

const FRAME_RULES: ReadonlyMap<number, FrameRule> = new Map([
  [
    PPP.LCP,
    {
      phases: ALIVE,
      receive: (link, env, { payload }) => onLcp(link, env, cpReceive(LCP, link.lcp, env, payload)),
    },
  ],
  [PPP.PAP, AUTH_FRAME],
  [PPP.CHAP, AUTH_FRAME],
  [PPP.EAP, AUTH_FRAME],
  [
    PPP.IPCP,
    {
      phases: NETWORK,
      receive: (link, env, { payload }) =>
        closeIf(link, env, onIpcp(link, env, cpReceive(IPCP, link.ipcp, env, payload))),
    },
  ],
  [PPP.IPV6CP, { phases: NETWORK, receive: onIpv6cpFrame }],
  // Forwarded by the data plane; what comes here is for ourselves, or came before the flow was there.
  [PPP.IPV4, { phases: NETWORK, receive: onIpv4Frame }],
  [PPP.IPV6, { phases: NETWORK, receive: onIpv6Frame }],
])

/** CCP, BCP, ...: told so, without harm to the link. */
const UNKNOWN_PROTOCOL: FrameRule = { phases: NETWORK, receive: rejectProtocol }

function rejectProtocol(link: LinkState, env: LinkEnv, { protocol, payload }: PppFrame): void {
  sendProtocolReject(link.lcp, env, protocol, payload)
}

function onIpv4Frame(link: LinkState, env: LinkEnv, { payload }: PppFrame): void {
  if (link.networkUp) onIpv4Packet(link, env, payload)
  else env.drop('ppp-phase')
}

function onIpv6Frame(link: LinkState, env: LinkEnv, frame: PppFrame): void {
  if (!hasIpv6(link, env)) return rejectProtocol(link, env, frame)
  resumeIpv6(link, env)
  if (env.config.role === 'lns') onIpv6Packet(link, env, frame.payload)
  else if (onHostPacket(link, env, frame.payload) && link.networkUp) tellNetwork(link, env)
}

function onIpv6cpFrame(link: LinkState, env: LinkEnv, frame: PppFrame): void {
  if (hasIpv6(link, env))
    closeIf(link, env, onIpv6cp(link, env, cpReceive(IPV6CP, link.ipv6cp, env, frame.payload)))
  else rejectProtocol(link, env, frame)
}

const TIMEOUTS: Readonly<Record<LinkTimer, (link: LinkState, env: LinkEnv) => void>> = {
  'lcp-restart': (link, env) => onLcp(link, env, cpTimeout(LCP, link.lcp, env)),
  'ipcp-restart': (link, env) => closeIf(link, env, onIpcp(link, env, cpTimeout(IPCP, link.ipcp, env))),
  'ipv6cp-restart': (link, env) =>
    closeIf(link, env, onIpv6cp(link, env, cpTimeout(IPV6CP, link.ipv6cp, env))),
  auth: (link, env) => closeLink(link, env, ENDED.authTimeout),
  'auth-retransmit': (link, env) => {
    if (link.proof === undefined) return
    if (link.proof.transmissions < env.config.maxConfigure) challenge(link.proof, env)
    else closeLink(link, env, ENDED.challengeUnanswered)
  },
  'login-retransmit': (link, env) => {
    const { login } = link
    if (login === undefined) return
    if (login.transmissions >= env.config.maxLogins) {
      closeLink(link, env, ENDED.loginUnanswered)
      return
    }
    AUTH[login.method].repeat(login, env)
    env.setTimer('login-retransmit', env.config.restartTimerMs)
    pursueLogin(link, env)
  },
  echo: (link, env) => {
    if (sendEcho(link.lcp, env)) env.setTimer('echo', env.config.echo.intervalMs)
    else closeLink(link, env, ENDED.echoesUnanswered)
  },
  'router-advertisement': advertise,
  'router-solicitation': solicit,
  'router-lifetime': (link, env) => {
    if (onRouterLifetime(link, env) && link.networkUp) tellNetwork(link, env)
  },
  setup: (link, env) => closeLink(link, env, setupTimedOut(link.phase)),
}

function onLcp(link: LinkState, env: LinkEnv, signal: Signal | undefined): void {
  if (signal?.kind === 'up') beginAuthentication(link, env)
  else if (signal?.kind === 'failed') closeLink(link, env, signal.reason)
  else if (signal?.kind === 'protocol-rejected') onProtocolRejected(link, env, signal.protocol)
  else if (signal?.kind === 'down' && !isEnding(link.lcp)) beginAgain(link, env)
  else if (signal !== undefined) beginEnding(link, env, endedBy(signal.event))
  if (signal?.kind === 'finished') finish(link, env)
}

/** LCP opened: authentication, of either side or both. */
function beginAuthentication(link: LinkState, env: LinkEnv, proxied?: ProxiedAuth): void {
  const { config } = env
  const [demanded] = link.lcp.ask.auth
  const { auth } = link.lcp.peer
  link.phase = 'authenticate'
  link.admitted = false
  link.proof = demanded && createProof(demanded, mtuBytes(link, env))
  link.login = auth && createLogin(auth, AUTH[auth].claimantBegins)
  if (config.echo.intervalMs > 0) env.setTimer('echo', config.echo.intervalMs)
  if (demanded !== undefined || auth !== undefined) env.setTimer('auth', config.authTimeoutMs)
  const packet = link.proof && proxiedPacket(link.proof, env, proxied)
  if (packet !== undefined) link.proxied = 'login'
  if (link.proof === undefined) onDecision(link, env, decideUnproven(link, env))
  else if (packet === undefined) challenge(link.proof, env)
  else onAuthNews(link, env, AUTH[link.proof.method].receive({ proof: link.proof }, env, packet))
  pursueLogin(link, env)
}

function challenge(proof: ProofState, env: LinkEnv): void {
  if (AUTH[proof.method].challenge(proof, env)) env.setTimer('auth-retransmit', env.config.restartTimerMs)
}

function onAuthFrame(link: LinkState, env: LinkEnv, { protocol, payload }: PppFrame): void {
  const speaks = (side: { readonly method: AuthMethod } | undefined) =>
    side !== undefined && AUTH[side.method].protocol === protocol
  const sides = {
    proof: speaks(link.proof) ? link.proof : undefined,
    login: speaks(link.login) ? link.login : undefined,
  }
  const method = sides.proof?.method ?? sides.login?.method
  if (method === undefined) env.drop('ppp-auth-not-negotiated')
  else onAuthNews(link, env, AUTH[method].receive(sides, env, payload))
}

function onAuthNews(link: LinkState, env: LinkEnv, news: AuthNews | undefined): void {
  if (news?.kind === 'evidence') {
    env.clearTimer('auth-retransmit')
    onDecision(link, env, decideProof(link, env, news.user, news.proof))
  } else if (news?.kind === 'login-due') {
    pursueLogin(link, env)
  } else if (news?.kind === 'login-accepted') {
    if (link.login !== undefined) link.login.accepted = true
    env.clearTimer('login-retransmit')
    enterNetworkWhenReady(link, env)
  } else if (news?.kind === 'failed') {
    closeLink(link, env, news.reason)
  }
}

/** The peer is replied to, and has to answer: it is where it was before its proof, with less time left. */
function goOn(proof: ProofState, env: LinkEnv, reply: string | Uint8Array): void {
  proof.heard = false
  proof.reply = reply
  AUTH[proof.method].goOn(proof, env)
  challenge(proof, env)
}

function onDecision(link: LinkState, env: LinkEnv, outcome: DecisionOutcome | undefined): void {
  if (outcome === undefined) return
  const { proof } = link
  if (outcome.kind === 'continued') {
    if (proof !== undefined) goOn(proof, env, outcome.reply)
    return
  }
  if (outcome.kind === 'reopened') {
    link.lcp.demand = outcome.methods
    onLcp(link, env, cpEvent(LCP, link.lcp, env, 'Down'))
    onLcp(link, env, cpEvent(LCP, link.lcp, env, 'Up'))
    return
  }
  const accepted = outcome.kind === 'granted' || outcome.proven
  if (proof !== undefined) {
    proof.verdict = { accepted, ...outcome.word }
    proof.fingerprint = undefined
    AUTH[proof.method].tell(proof, env)
  }
  if (outcome.kind === 'denied') {
    closeLink(link, env, outcome.reason)
    return
  }
  link.admitted = true
  pursueLogin(link, env)
  enterNetworkWhenReady(link, env)
}

/**
 * Asks for our secret when the peer waits for our proof. An LNS proves itself only to a peer that it admitted:
 * it cannot be made to answer, in one call, the challenge that it sent in another (RFC 1994 5).
 */
function pursueLogin(link: LinkState, env: LinkEnv): void {
  const { login } = link
  if (login === undefined || !login.due || login.askId !== undefined) return
  if (env.config.role === 'lns' && !link.admitted) return
  const { method, peerName } = login
  const user = env.config.authAs?.user ?? ''
  login.askId = env.ask({ kind: 'ownSecret', method, user, ...(peerName !== undefined && { peerName }) })
}

function onSecret(link: LinkState, login: LoginState, env: LinkEnv, verdict: Verdict): void {
  login.askId = undefined
  const failure: EndReason | undefined =
    'secret' in verdict
      ? AUTH[login.method].prove(login, env, verdict.secret)
      : { cause: 'auth-failed', text: verdict.kind === 'deny' ? verdict.reason : 'no secret of our own' }
  if (failure !== undefined) closeLink(link, env, failure)
  else if (!login.accepted) env.setTimer('login-retransmit', env.config.restartTimerMs)
}

function enterNetworkWhenReady(link: LinkState, env: LinkEnv): void {
  if (link.phase !== 'authenticate' || !link.admitted || link.login?.accepted === false) return
  link.phase = 'network'
  env.clearTimer('auth')
  enterNetwork(link, env)
}

/** `reason`: neither IPv4 nor IPv6 is left. */
function closeIf(link: LinkState, env: LinkEnv, reason: EndReason | undefined): void {
  if (reason !== undefined) closeLink(link, env, reason)
}

/** LCP is negotiated anew: all above it begins again, with the lease kept. */
function beginAgain(link: LinkState, env: LinkEnv): void {
  link.phase = 'establish'
  link.proxied = undefined
  leaveUpperLayers(link, env)
}

function beginEnding(link: LinkState, env: LinkEnv, reason: EndReason): void {
  if (link.ending !== undefined) return
  link.ending = reason
  link.phase = 'terminate'
  leaveUpperLayers(link, env)
}

function leaveUpperLayers(link: LinkState, env: LinkEnv): void {
  withdrawAsks(link, env)
  link.proof = undefined
  link.login = undefined
  for (const timer of ['auth', 'auth-retransmit', 'login-retransmit', 'echo'] as const) env.clearTimer(timer)
  leaveNetwork(link, env)
}

function withdrawAsks(link: LinkState, env: LinkEnv): void {
  const asked = [link.pending?.askId, link.login?.askId].filter(askId => askId !== undefined)
  link.pending = undefined
  link.continued = undefined
  if (link.login !== undefined) link.login.askId = undefined
  for (const askId of asked) env.withdraw(askId)
}

function finish(link: LinkState, env: LinkEnv): void {
  link.phase = 'dead'
  for (const timer of TIMERS) env.clearTimer(timer)
  env.closed(link.ending ?? { cause: 'ppp-failed' })
}

function onProtocolRejected(link: LinkState, env: LinkEnv, protocol: number): void {
  const proving = [link.proof, link.login].some(side => side && AUTH[side.method].protocol === protocol)
  if (protocol === PPP.LCP) onLcp(link, env, cpEvent(LCP, link.lcp, env, 'RXJ-'))
  else if (protocol === PPP.IPCP && isNegotiating(link.ipcp)) {
    cpEvent(IPCP, link.ipcp, env, 'RXJ-')
    closeIf(link, env, loseIpv4(link, env, ENDED.ipcpRejected))
  } else if (protocol === PPP.IPV6CP)
    closeIf(link, env, onIpv6cp(link, env, cpEvent(IPV6CP, link.ipv6cp, env, 'RXJ-')))
  else if (link.phase === 'authenticate' && proving) closeLink(link, env, ENDED.authRejected)
}
