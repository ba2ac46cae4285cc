/**
 * Thousands of calls in few tunnels, as an access concentrator places them: L2TP and the least of PPP, without a socket. What
 * was lost is sent again.
 */
import { createHash } from 'node:crypto'
import { type ControlMessage, decodeControl, encodeControl } from '../../../core/wire/control-message.ts'
import { formatIpv4, parseIpv4 } from '../../../core/wire/ip.ts'
import { decodeHeader, encodeDataDatagram } from '../../../core/wire/l2tp-header.ts'
import { decodeChap, encodeChap, encodePap, encodeText } from '../../../core/wire/ppp-auth.ts'
import { decodePppFrame, encodePppFrame, PPP } from '../../../core/wire/ppp-frame.ts'
import {
  CP_CODE,
  decodeCpPacket,
  decodeOptions,
  encodeCpPacket,
  encodeOptions,
  IPCP_OPTION,
  LCP_OPTION,
} from '../../../core/wire/ppp-options.ts'

export interface Dialing {
  readonly sessions: number
  readonly sessionsPerTunnel: number
  readonly userOf: (n: number) => string
  readonly password: string
  readonly mruBytes: number
}

/** A call that is up, as who sends in it must know it. */
export interface UpSession {
  /** The ids of the LNS. */
  readonly tunnelId: number
  readonly sessionId: number
  readonly address: string
}

/** What an LNS surely takes: outstanding control messages, and calls that are being set up. */
const WINDOW = 4
const CALLS_AT_ONCE = 64
const AGAIN_MS = 1000
/** PAP and CHAP of one user after the other through a RADIUS server. */
const LINK_AGAIN_MS = 3000

interface Tunnel {
  readonly id: number
  theirId: number
  ns: number
  nr: number
  readonly unacked: {
    readonly ns: number
    readonly sessionId: number
    readonly message: ControlMessage
    sentAt: number
  }[]
  readonly queued: { readonly sessionId: number; readonly message: ControlMessage }[]
}

interface Session {
  readonly n: number
  readonly id: number
  readonly tunnel: Tunnel
  theirId: number
  sentAt: number
  lcp: { ours: boolean; theirs: boolean }
  ipcp: { ours: boolean; theirs: boolean }
  authenticated: boolean
  method: 'pap' | 'chap'
  address: number
}

export class Dialer {
  readonly up: UpSession[] = []
  readonly #dialing: Dialing
  readonly #send: (bytes: Uint8Array) => void
  readonly #tunnels = new Map<number, Tunnel>()
  readonly #sessions = new Map<string, Session>()
  readonly #calling = new Set<Session>()
  #next = 0

  constructor(dialing: Dialing, send: (bytes: Uint8Array) => void) {
    this.#dialing = dialing
    this.#send = send
    const tunnels = Math.ceil(dialing.sessions / dialing.sessionsPerTunnel)
    for (let id = 1; id <= tunnels; id++) {
      const tunnel: Tunnel = { id, theirId: 0, ns: 0, nr: 0, unacked: [], queued: [] }
      this.#tunnels.set(id, tunnel)
      this.#say(tunnel, 0, {
        type: 'SCCRQ',
        avps: {
          protocolVersion: { version: 1, revision: 0 },
          hostName: `bench-${id}`,
          framingCapabilities: { async: true, sync: true },
          assignedTunnelId: id,
          receiveWindowSize: 16,
        },
      })
    }
  }

  get done(): boolean {
    return this.up.length === this.#dialing.sessions
  }

  handle(now: number, bytes: Uint8Array): void {
    const decoded = decodeHeader(bytes)
    if (decoded.kind === 'control') this.#control(now, bytes)
    if (decoded.kind !== 'data') return
    const session = this.#sessions.get(`${decoded.header.tunnelId}/${decoded.header.sessionId}`)
    const frame = decodePppFrame(decoded.payload)
    if (session !== undefined && frame !== undefined) this.#frame(now, session, frame.protocol, frame.payload)
  }

  tick(now: number): void {
    for (const tunnel of this.#tunnels.values()) {
      for (const one of tunnel.unacked) {
        if (now - one.sentAt < AGAIN_MS) continue
        one.sentAt = now
        this.#transmit(tunnel, one)
      }
      this.#flush(now, tunnel)
    }
    for (const session of this.#calling)
      if (session.theirId !== 0 && now - session.sentAt > LINK_AGAIN_MS) this.#go(now, session)
    this.#callMore()
  }

  #callMore(): void {
    const { sessions, sessionsPerTunnel } = this.#dialing
    while (this.#next < sessions && this.#calling.size < CALLS_AT_ONCE) {
      const n = this.#next
      const tunnel = this.#tunnels.get(1 + Math.floor(n / sessionsPerTunnel))
      if (tunnel === undefined || tunnel.theirId === 0) return
      this.#next++
      const session: Session = {
        n,
        id: 1 + (n % sessionsPerTunnel),
        tunnel,
        theirId: 0,
        sentAt: 0,
        lcp: { ours: false, theirs: false },
        ipcp: { ours: false, theirs: false },
        authenticated: false,
        method: 'pap',
        address: 0,
      }
      this.#sessions.set(`${tunnel.id}/${session.id}`, session)
      this.#calling.add(session)
      this.#say(tunnel, 0, { type: 'ICRQ', avps: { assignedSessionId: session.id, callSerialNumber: n } })
    }
  }

  #say(tunnel: Tunnel, sessionId: number, message: ControlMessage): void {
    tunnel.queued.push({ sessionId, message })
  }

  #flush(now: number, tunnel: Tunnel): void {
    while (tunnel.unacked.length < WINDOW) {
      const next = tunnel.queued.shift()
      if (next === undefined) return
      const one = { ...next, ns: tunnel.ns, sentAt: now }
      tunnel.ns = (tunnel.ns + 1) & 0xffff
      tunnel.unacked.push(one)
      this.#transmit(tunnel, one)
    }
  }

  #transmit(tunnel: Tunnel, { ns, sessionId, message }: Tunnel['unacked'][number]): void {
    this.#send(encodeControl({ tunnelId: tunnel.theirId, sessionId, ns, nr: tunnel.nr }, message))
  }

  #control(now: number, bytes: Uint8Array): void {
    const decoded = decodeControl(bytes)
    const tunnel = decoded.header === undefined ? undefined : this.#tunnels.get(decoded.header.tunnelId)
    if (decoded.header === undefined || tunnel === undefined) return
    const { ns, nr, sessionId } = decoded.header
    while (tunnel.unacked[0] !== undefined && ((nr - tunnel.unacked[0].ns - 1) & 0xffff) < 0x8000)
      tunnel.unacked.shift()
    const isZlb = decoded.ok && decoded.message === undefined
    if (!isZlb && ns === tunnel.nr) {
      tunnel.nr = (tunnel.nr + 1) & 0xffff
      if (decoded.ok && decoded.message !== undefined) this.#message(now, tunnel, sessionId, decoded.message)
    }
    if (!isZlb)
      this.#send(encodeControl({ tunnelId: tunnel.theirId, sessionId: 0, ns: tunnel.ns, nr: tunnel.nr }))
    this.#flush(now, tunnel)
  }

  #message(now: number, tunnel: Tunnel, sessionId: number, message: ControlMessage): void {
    if (message.type === 'SCCRP') {
      tunnel.theirId = message.avps.assignedTunnelId
      this.#say(tunnel, 0, { type: 'SCCCN', avps: {} })
      this.#callMore()
    }
    if (message.type === 'StopCCN' || message.type === 'CDN')
      throw new Error(
        `tunnel ${tunnel.id}, call ${sessionId}: ${message.type} ${JSON.stringify(message.avps)}`,
      )
    const session = this.#sessions.get(`${tunnel.id}/${sessionId}`)
    if (message.type !== 'ICRP' || session === undefined) return
    session.theirId = message.avps.assignedSessionId
    const avps = { txConnectSpeed: 1_000_000_000, framingType: { async: false, sync: true } }
    this.#say(tunnel, session.theirId, { type: 'ICCN', avps })
    session.sentAt = now
  }

  #frame(now: number, session: Session, protocol: number, packet: Uint8Array): void {
    if (protocol === PPP.CHAP) return this.#chap(now, session, packet)
    const cp = decodeCpPacket(packet)
    if (cp === undefined) return
    if (protocol === PPP.PAP) {
      if (cp.code !== 2) throw new Error(`login of ${this.#dialing.userOf(session.n)}: PAP code ${cp.code}`)
      this.#authenticated(now, session)
    } else if (protocol === PPP.LCP) this.#lcp(now, session, cp)
    else if (protocol === PPP.IPCP) this.#ipcp(now, session, cp)
    else if (protocol >= 0x8000) {
      const data = Uint8Array.of(protocol >> 8, protocol & 0xff, ...packet)
      this.#ppp(session, PPP.LCP, encodeCpPacket({ code: CP_CODE.PROTOCOL_REJECT, identifier: 9, data }))
    }
  }

  #lcp(
    now: number,
    session: Session,
    { code, identifier, data }: NonNullable<ReturnType<typeof decodeCpPacket>>,
  ): void {
    const answer = (reply: number, bytes: Uint8Array) =>
      this.#ppp(session, PPP.LCP, encodeCpPacket({ code: reply, identifier, data: bytes }))
    if (code === CP_CODE.ECHO_REQUEST) return answer(CP_CODE.ECHO_REPLY, new Uint8Array(4))
    if (code === CP_CODE.TERMINATE_REQUEST) throw new Error(`call ${session.n}: the LNS ends it`)
    if (code === CP_CODE.CONFIGURE_REQUEST) {
      const auth = decodeOptions(data)?.find(({ type }) => type === LCP_OPTION.AUTH_PROTOCOL)?.value ?? []
      const protocol = ((auth[0] ?? 0) << 8) | (auth[1] ?? 0)
      if (protocol !== PPP.PAP && auth[2] !== 5)
        return answer(CP_CODE.CONFIGURE_NAK, Uint8Array.of(LCP_OPTION.AUTH_PROTOCOL, 5, 0xc2, 0x23, 5))
      session.method = protocol === PPP.PAP ? 'pap' : 'chap'
      session.lcp.theirs = true
      answer(CP_CODE.CONFIGURE_ACK, data)
    } else if (code === CP_CODE.CONFIGURE_ACK) session.lcp.ours = true
    else return
    this.#go(now, session)
  }

  #chap(now: number, session: Session, packet: Uint8Array): void {
    const chap = decodeChap(packet)
    const name = this.#dialing.userOf(session.n)
    if (chap?.kind === 'failure') throw new Error(`login of ${name}: CHAP Failure`)
    if (chap?.kind === 'success') return this.#authenticated(now, session)
    if (chap?.kind !== 'challenge') return
    const { identifier } = chap
    const hash = createHash('md5')
      .update(Uint8Array.of(identifier))
      .update(this.#dialing.password)
      .update(chap.value)
    const value = new Uint8Array(hash.digest())
    this.#ppp(session, PPP.CHAP, encodeChap({ kind: 'response', identifier, value, name: encodeText(name) }))
  }

  #authenticated(now: number, session: Session): void {
    session.authenticated = true
    this.#go(now, session)
  }

  #ipcp(
    now: number,
    session: Session,
    { code, identifier, data }: NonNullable<ReturnType<typeof decodeCpPacket>>,
  ): void {
    if (code === CP_CODE.CONFIGURE_REQUEST) {
      session.ipcp.theirs = true
      this.#ppp(session, PPP.IPCP, encodeCpPacket({ code: CP_CODE.CONFIGURE_ACK, identifier, data }))
    } else if (code === CP_CODE.CONFIGURE_NAK) {
      const option = decodeOptions(data)?.find(({ type }) => type === IPCP_OPTION.IP_ADDRESS)
      session.address = parseIpv4(option === undefined ? '' : [...option.value].join('.')) ?? 0
      this.#go(now, session)
    } else if (code === CP_CODE.CONFIGURE_ACK) session.ipcp.ours = session.address !== 0
    if (session.ipcp.ours && session.ipcp.theirs && this.#calling.delete(session)) {
      const { tunnel, theirId, address } = session
      this.up.push({ tunnelId: tunnel.theirId, sessionId: theirId, address: formatIpv4(address) })
      this.#callMore()
      for (const each of this.#tunnels.values()) this.#flush(now, each)
    }
  }

  /** Says what is to be said next, or again. */
  #go(now: number, session: Session): void {
    session.sentAt = now
    const identifier = 1
    const { mruBytes, userOf, password } = this.#dialing
    if (!session.lcp.ours) {
      const data = encodeOptions([
        { type: LCP_OPTION.MRU, value: Uint8Array.of(mruBytes >> 8, mruBytes & 0xff) },
      ])
      this.#ppp(session, PPP.LCP, encodeCpPacket({ code: CP_CODE.CONFIGURE_REQUEST, identifier, data }))
    } else if (!session.authenticated) {
      if (!session.lcp.theirs || session.method !== 'pap') return
      const user = encodeText(userOf(session.n))
      const packet = encodePap({ kind: 'request', identifier, user, password: encodeText(password) })
      this.#ppp(session, PPP.PAP, packet)
    } else {
      const value = Uint8Array.of(...[24, 16, 8, 0].map(bits => (session.address >>> bits) & 0xff))
      const data = encodeOptions([{ type: IPCP_OPTION.IP_ADDRESS, value }])
      this.#ppp(session, PPP.IPCP, encodeCpPacket({ code: CP_CODE.CONFIGURE_REQUEST, identifier, data }))
    }
  }

  #ppp({ tunnel, theirId }: Session, protocol: number, packet: Uint8Array): void {
    const header = { tunnelId: tunnel.theirId, sessionId: theirId, length: true, priority: false }
    this.#send(encodeDataDatagram(header, encodePppFrame(protocol, packet, { acfc: false, pfc: false })))
  }
}
