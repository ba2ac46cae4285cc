/** LCP (RFC 1661 6, RFC 1570): what we ask for, what we agree to, echoes and Protocol-Reject. */

import { CHAP_MD5, CHAP_MSCHAPV2 } from '../../wire/ppp-auth.ts'
import { PPP } from '../../wire/ppp-frame.ts'
import {
  authProtocolName,
  CP_CODE,
  type CpOption,
  type CpPacket,
  encodeCpPacket,
  LCP_OPTION,
  optionFormat,
  uintOption,
  uintValue,
} from '../../wire/ppp-options.ts'
import type { AuthMethod, EndReason } from '../outputs.ts'
import {
  type ControlProtocol,
  CP_START,
  type CpState,
  type Judgement,
  judgeEach,
  nextIdentifier,
  REJECTED_BYTES,
} from './control-protocol.ts'
import { dropped, type LinkEnv } from './link-env.ts'

export interface LcpState extends CpState {
  /** What our request asks for; an option that the peer rejected is gone. */
  ask: {
    mru?: number | undefined
    /** Methods left to demand, the first is asked for. */
    auth: readonly AuthMethod[]
    /** 0: not asked for. */
    magic: number
    acfc: boolean
    pfc: boolean
  }
  /** Methods to demand of this peer, whose user those of the config cannot verify. */
  demand?: readonly AuthMethod[]
  /** What the peer asked for and we acknowledged. */
  peer: { mru: number; magic: number; acfc: boolean; pfc: boolean; auth?: AuthMethod | undefined }
  /** How often our own magic number came back (RFC 1661 6.4). */
  loops: number
  /** Echo-Requests sent since the last Echo-Reply. */
  unansweredEchoes: number
  /** The peer rejected the code: no keepalive. */
  echoRefused: boolean
}

export const DEFAULT_MRU_BYTES = 1500
/** Less is of no use and is Nakked with this. */
const MIN_MRU_BYTES = 128
const MAGIC_BYTES = 4

const PEER_DEFAULTS: LcpState['peer'] = { mru: DEFAULT_MRU_BYTES, magic: 0, acfc: false, pfc: false }

/** Values of the Authentication-Protocol option (RFC 1661 6.2, RFC 1994 3, RFC 2759 1, RFC 3748 3.1). MS-CHAPv1 is none of ours. */
const AUTH_VALUES: Readonly<Record<AuthMethod, readonly number[]>> = {
  pap: [PPP.PAP >> 8, PPP.PAP & 0xff],
  'chap-md5': [PPP.CHAP >> 8, PPP.CHAP & 0xff, CHAP_MD5],
  mschapv2: [PPP.CHAP >> 8, PPP.CHAP & 0xff, CHAP_MSCHAPV2],
  eap: [PPP.EAP >> 8, PPP.EAP & 0xff],
}
const AUTH_METHODS = Object.keys(AUTH_VALUES) as AuthMethod[]

const LOOPED: EndReason = { cause: 'ppp-failed', pppCause: 7, text: 'LCP: the link is looped back' }
const AUTH_REFUSED: EndReason = { cause: 'auth-failed', pppCause: 15 }

export function createLcp(): LcpState {
  return {
    ...CP_START,
    ask: { auth: [], magic: 0, acfc: false, pfc: false },
    peer: PEER_DEFAULTS,
    loops: 0,
    unansweredEchoes: 0,
    echoRefused: false,
  }
}

export const LCP: ControlProtocol<LcpState> = {
  protocol: PPP.LCP,
  timer: 'lcp-restart',
  noAgreement: { cause: 'ppp-failed', pppCause: 5, text: 'LCP: the peers do not agree on options' },

  reset(s, env) {
    const { mruBytes, demandAuth, requestAcfc, requestPfc } = env.config
    s.ask = {
      mru: mruBytes,
      auth: s.demand ?? demandAuth,
      magic: randomMagic(env),
      acfc: requestAcfc,
      pfc: requestPfc,
    }
    s.peer = PEER_DEFAULTS
    s.loops = 0
    s.unansweredEchoes = 0
    s.echoRefused = false
  },

  request({ ask }) {
    const options: CpOption[] = []
    if (ask.mru !== undefined) options.push(uintOption(LCP_OPTION.MRU, ask.mru, 2))
    const [method] = ask.auth
    if (method !== undefined) options.push(authOption(method))
    if (ask.magic !== 0) options.push(magicOption(ask.magic))
    if (ask.pfc) options.push(flagOption(LCP_OPTION.PFC))
    if (ask.acfc) options.push(flagOption(LCP_OPTION.ACFC))
    return options
  },

  judge(s, env, options): Judgement {
    if (!options.some(option => isOurMagic(s, option))) {
      return judgeEach(options, option => judgeOption(env, option))
    }
    // Our own request may have come back: nothing else in it counts until that is settled (RFC 1661 6.4).
    if (++s.loops > env.config.maxFailure) return { kind: 'fail', reason: LOOPED }
    return { kind: 'nak', options: [magicOption(randomMagic(env))] }
  },

  agree(s, options) {
    const peer = { ...PEER_DEFAULTS }
    for (const option of options) AGREE[option.type]?.(peer, option.value)
    s.peer = peer
  },

  agreed: () => undefined,

  refused(s, env, kind, options) {
    for (const option of options) {
      const reason = (kind === 'nak' ? NAKKED : REJECTED)[option.type]?.(s, env, option)
      if (reason !== undefined) return reason
    }
    return undefined
  },

  codeRejected(s, code) {
    if (code === CP_CODE.ECHO_REQUEST) s.echoRefused = true
  },

  codes: {
    [CP_CODE.PROTOCOL_REJECT]: (s, env, { data }) => {
      if (s.state !== 'opened') return dropped(env, 'ppp-phase')
      if (data.length < 2) return dropped(env, 'ppp-malformed')
      return { signal: { kind: 'protocol-rejected', protocol: uintValue(data.subarray(0, 2)) } }
    },
    [CP_CODE.ECHO_REQUEST]: (s, env, packet) => {
      if (packet.data.length < MAGIC_BYTES) return dropped(env, 'ppp-malformed')
      if (isLooped(s, packet)) return dropped(env, 'ppp-looped')
      return {
        reply: magicPacket(s, CP_CODE.ECHO_REPLY, packet.identifier, packet.data.subarray(MAGIC_BYTES)),
      }
    },
    [CP_CODE.ECHO_REPLY]: (s, env, packet) => {
      if (packet.data.length < MAGIC_BYTES) return dropped(env, 'ppp-malformed')
      if (isLooped(s, packet)) return dropped(env, 'ppp-looped')
      s.unansweredEchoes = 0
      return undefined
    },
    [CP_CODE.DISCARD_REQUEST]: () => undefined,
    [CP_CODE.IDENTIFICATION]: () => undefined,
    [CP_CODE.TIME_REMAINING]: () => undefined,
  },
}

/**
 * Takes over a negotiation that somebody else led in our stead: `sent` for us, `received` from the peer. False where we would not have
 * agreed to it; nothing has changed then.
 */
export function adoptLcp(
  s: LcpState,
  env: LinkEnv,
  { sent, received }: { readonly sent: readonly CpOption[]; readonly received: readonly CpOption[] },
): boolean {
  const ours: LcpState['peer'] = { ...PEER_DEFAULTS }
  for (const option of sent) {
    if (optionFormat(PPP.LCP, option) === undefined || JUDGES[option.type] === undefined) return false
    AGREE[option.type]?.(ours, option.value)
  }
  const demanded = s.demand ?? env.config.demandAuth
  const isDemanded = ours.auth === undefined ? demanded.length === 0 : demanded.includes(ours.auth)
  if (!isDemanded || received.some(option => judgeOption(env, option) !== 'ack')) return false
  const { mru, magic, acfc, pfc, auth } = ours
  s.ask = { mru, magic, acfc, pfc, auth: auth === undefined ? [] : [auth] }
  s.state = 'opened'
  LCP.agree(s, received)
  return true
}

/** Sends the next Echo-Request. False: too many went unanswered, the peer is gone. */
export function sendEcho(s: LcpState, env: LinkEnv): boolean {
  if (s.echoRefused) return true
  if (s.unansweredEchoes >= env.config.echo.failures) return false
  s.unansweredEchoes++
  const request = magicPacket(s, CP_CODE.ECHO_REQUEST, nextIdentifier(s), new Uint8Array())
  env.send(PPP.LCP, encodeCpPacket(request))
  return true
}

/** Tells the peer that we do not speak `protocol` (RFC 1661 5.7); only while LCP is open. */
export function sendProtocolReject(s: LcpState, env: LinkEnv, protocol: number, payload: Uint8Array): void {
  const rejected = payload.subarray(0, REJECTED_BYTES)
  const data = Uint8Array.of(protocol >> 8, protocol & 0xff, ...rejected)
  env.send(PPP.LCP, encodeCpPacket({ code: CP_CODE.PROTOCOL_REJECT, identifier: nextIdentifier(s), data }))
}

function judgeOption(env: LinkEnv, option: CpOption): 'ack' | 'reject' | CpOption {
  if (optionFormat(PPP.LCP, option) === undefined) return 'reject'
  return JUDGES[option.type]?.(env, option) ?? 'reject'
}

type Judge = (env: LinkEnv, option: CpOption) => 'ack' | 'reject' | CpOption

/** The options that we agree to at all; every other one is rejected (callback, multilink, quality, ...). */
const JUDGES: Readonly<Record<number, Judge>> = {
  [LCP_OPTION.MRU]: (_env, { value }) =>
    uintValue(value) < MIN_MRU_BYTES ? uintOption(LCP_OPTION.MRU, MIN_MRU_BYTES, 2) : 'ack',
  [LCP_OPTION.ACCM]: () => 'ack',
  [LCP_OPTION.AUTH_PROTOCOL]: (env, { value }) => {
    const methods = env.config.authAs?.methods ?? []
    const [preferred] = methods
    if (preferred === undefined) return 'reject'
    const asked = methodOf(value)
    return asked !== undefined && methods.includes(asked) ? 'ack' : authOption(preferred)
  },
  [LCP_OPTION.MAGIC_NUMBER]: (env, { value }) =>
    uintValue(value) === 0 ? magicOption(randomMagic(env)) : 'ack',
  [LCP_OPTION.PFC]: () => 'ack',
  [LCP_OPTION.ACFC]: () => 'ack',
}

const AGREE: Readonly<Record<number, (peer: LcpState['peer'], value: Uint8Array) => void>> = {
  [LCP_OPTION.MRU]: (peer, value) => {
    peer.mru = uintValue(value)
  },
  [LCP_OPTION.AUTH_PROTOCOL]: (peer, value) => {
    peer.auth = methodOf(value)
  },
  [LCP_OPTION.MAGIC_NUMBER]: (peer, value) => {
    peer.magic = uintValue(value)
  },
  [LCP_OPTION.PFC]: peer => {
    peer.pfc = true
  },
  [LCP_OPTION.ACFC]: peer => {
    peer.acfc = true
  },
}

type Refusal = (s: LcpState, env: LinkEnv, option: CpOption) => EndReason | undefined

const NAKKED: Readonly<Record<number, Refusal>> = {
  [LCP_OPTION.MRU]: (s, env, { value }) => {
    const wished = uintValue(value)
    if (s.ask.mru !== undefined && wished >= MIN_MRU_BYTES) s.ask.mru = Math.min(wished, env.config.mruBytes)
    return undefined
  },
  // The peer's wish if it is on our list; else the next of the list.
  [LCP_OPTION.AUTH_PROTOCOL]: (s, _env, { value }) => {
    if (s.ask.auth.length === 0) return undefined
    const rest = s.ask.auth.slice(1)
    const wished = rest.find(method => method === methodOf(value))
    s.ask.auth = wished === undefined ? rest : [wished, ...rest.filter(method => method !== wished)]
    if (s.ask.auth.length > 0) return undefined
    return {
      ...AUTH_REFUSED,
      text: `LCP: the peer refuses every authentication method that we offer and asks for ${authProtocolName(value)}`,
    }
  },
  [LCP_OPTION.MAGIC_NUMBER]: (s, env) => {
    if (s.ask.magic !== 0) s.ask.magic = randomMagic(env)
    return undefined
  },
}

const REJECTED: Readonly<Record<number, Refusal>> = {
  [LCP_OPTION.MRU]: s => {
    s.ask.mru = undefined
    return undefined
  },
  [LCP_OPTION.AUTH_PROTOCOL]: () => ({
    ...AUTH_REFUSED,
    text: 'LCP: the peer refuses to authenticate itself at all',
  }),
  [LCP_OPTION.MAGIC_NUMBER]: s => {
    s.ask.magic = 0
    return undefined
  },
  [LCP_OPTION.PFC]: s => {
    s.ask.pfc = false
    return undefined
  },
  [LCP_OPTION.ACFC]: s => {
    s.ask.acfc = false
    return undefined
  },
}

function authOption(method: AuthMethod): CpOption {
  return { type: LCP_OPTION.AUTH_PROTOCOL, value: Uint8Array.from(AUTH_VALUES[method]) }
}

function methodOf(value: Uint8Array): AuthMethod | undefined {
  return AUTH_METHODS.find(method => AUTH_VALUES[method].join() === value.join())
}

function flagOption(type: number): CpOption {
  return { type, value: new Uint8Array() }
}

function magicOption(magic: number): CpOption {
  return uintOption(LCP_OPTION.MAGIC_NUMBER, magic, MAGIC_BYTES)
}

function isOurMagic(s: LcpState, { type, value }: CpOption): boolean {
  return type === LCP_OPTION.MAGIC_NUMBER && s.ask.magic !== 0 && uintValue(value) === s.ask.magic
}

function randomMagic(env: LinkEnv): number {
  return env.random.uint32() || 1
}

function isLooped(s: LcpState, { data }: CpPacket): boolean {
  return s.ask.magic !== 0 && uintValue(data) === s.ask.magic
}

/** An echo packet; never larger than the peer's MRU. */
function magicPacket(s: LcpState, code: number, identifier: number, data: Uint8Array): CpPacket {
  const magic = magicOption(s.ask.magic).value
  const room = s.peer.mru - MAGIC_BYTES - 4
  return { code, identifier, data: Uint8Array.of(...magic, ...data.subarray(0, room)) }
}
