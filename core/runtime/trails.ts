/**
 * Why each call and each tunnel was let in, or was not: every decision about it, kept while it lives and for an hour after.
 * What lives is never forgotten for what is gone, and what was up never for what was refused, which costs a peer next to nothing.
 */
import type { TrailEntry } from '../hooks/guard.ts'
import type { Clock, Milliseconds } from '../ports.ts'
import type { Ask, EndReason, Event, SessionInfo, TunnelInfo, Verdict } from '../protocol/outputs.ts'
import { fits, type KeptEntry, recordOf, Subject, type Trail, type TrailRecord } from './trail-record.ts'

interface TrailLimits {
  /** That live at a time; more than the core's own caps let in. */
  readonly mostLive: number
  readonly mostEndedCalls: number
  readonly mostRefusedCalls: number
  readonly mostEndedTunnels: number
  readonly mostRefusedTunnels: number
  /** Of one subject; beyond it the oldest goes, and is counted. */
  readonly mostEntries: number
  readonly longestTextChars: number
  /** After the end. */
  readonly keptMs: Milliseconds
}

const LIMITS: TrailLimits = {
  mostLive: 2 ** 17,
  mostEndedCalls: 8192,
  mostRefusedCalls: 8192,
  mostEndedTunnels: 2048,
  mostRefusedTunnels: 2048,
  mostEntries: 32,
  longestTextChars: 256,
  keptMs: 3_600_000,
}

interface Served {
  readonly generation: { readonly number: number }
  readonly deployment: string | undefined
}

export class Trails {
  readonly #clock: Clock
  readonly #limits: TrailLimits
  /** By session id, and by tunnel key. */
  readonly #live: Readonly<Record<TrailRecord['kind'], Map<string, Subject>>> = {
    call: new Map(),
    tunnel: new Map(),
  }
  readonly #gone: Readonly<Record<TrailRecord['kind'], Readonly<Record<'ended' | 'refused', Gone>>>>

  constructor(clock: Clock, limits: Partial<TrailLimits> = {}) {
    this.#clock = clock
    const all = { ...LIMITS, ...limits }
    this.#limits = all
    const gone = (most: number) => new Gone(most, all.keptMs, clock.now())
    this.#gone = {
      call: { ended: gone(all.mostEndedCalls), refused: gone(all.mostRefusedCalls) },
      tunnel: { ended: gone(all.mostEndedTunnels), refused: gone(all.mostRefusedTunnels) },
    }
  }

  /** A decision about a call or a tunnel is being taken. */
  asked(ask: Ask): void {
    const subject = 'session' in ask ? this.#call(ask.session) : this.#tunnel(ask.tunnel)
    subject.asking = { hook: ask.kind, sinceMs: this.#clock.now() }
    if (ask.kind === 'authenticate') subject.user = this.#cut(ask.user)
  }

  /** What was decided so far; `verdict`: and what that came to. */
  decided(ask: Ask, entries: readonly TrailEntry[], verdict?: Verdict): void {
    const subject = this.#subject('session' in ask ? ask.session.id : ask.tunnel.key)
    if (subject === undefined) return
    subject.asking = undefined
    this.add(subject.id, entries)
    if (verdict?.kind === 'deny' || verdict?.kind === 'renegotiate') {
      subject.refusal = { by: ask.kind, reason: this.#cut(verdict.reason) }
    } else if (verdict !== undefined) {
      if (subject.refusal?.by === ask.kind) subject.refusal = undefined
      if ('grant' in verdict) subject.acceptedAs = this.#cut(verdict.grant.user)
    }
  }

  /** Decisions about a live call or tunnel, by its id or key, that were not asked for by the protocol. */
  add(id: string, entries: readonly TrailEntry[]): void {
    const subject = this.#subject(id)
    if (subject === undefined) return
    // Taps are asked one after the other, and the last has just answered.
    let at = this.#clock.now() - subject.startedMs
    for (const { ms } of entries) at -= ms
    for (const entry of entries) {
      const { reason, ms } = entry
      subject.keep(entry, reason === undefined ? undefined : this.#cut(reason), at)
      at += ms
    }
    subject.forget(this.#limits.mostEntries)
  }

  /** Notes by which generation of the config, and which deployment, a call or tunnel is served, by its id or key. */
  serve(id: string, { generation, deployment }: Served): void {
    const subject = this.#subject(id)
    if (subject === undefined) return
    subject.generation = generation.number
    subject.deployment = deployment
  }

  /** Follows what happens to calls and tunnels; at the end of one, gives its trail. */
  take(event: Event): Trail | undefined {
    switch (event.kind) {
      case 'tunnelUp': {
        const tunnel = this.#tunnel(event.tunnel)
        tunnel.up = true
        tunnel.protection = this.#protection(event.tunnel)
        return undefined
      }
      case 'sessionUp': {
        const call = this.#call(event.session)
        call.up = true
        call.acceptedAs = this.#cut(event.grant.user)
        return undefined
      }
      case 'tunnelDown':
        return this.#close(this.#tunnel(event.tunnel), event.reason)
      case 'sessionDown':
        return this.#close(this.#call(event.session), event.reason)
      default:
        return undefined
    }
  }

  /** Decisions about a live call or tunnel. */
  of(id: string): readonly KeptEntry[] {
    return this.#subject(id)?.entries ?? []
  }

  /** Whatever `query` names, the newest first: a session id or its first digits, a tunnel key, a user, an address of a peer. */
  find(query: string): readonly TrailRecord[] {
    const wanted = query.toLowerCase()
    const found = this.#all().filter(subject => fits(subject, wanted))
    const calls = found.filter(({ kind }) => kind === 'call')
    // The decisions about its tunnel are told with a call.
    const told = new Set(calls.map(({ parent }) => parent))
    return [...calls, ...found.filter(subject => subject.kind === 'tunnel' && !told.has(subject))]
      .sort((a, b) => b.startedMs - a.startedMs)
      .map(subject => recordOf(subject, this.#clock.now()))
  }

  /** From when on, in wall time, everything that was refused or ended is still known. */
  knownSinceMs(): number {
    const now = this.#clock.now()
    const since = Math.max(...this.#tables().map(table => table.knownSince(now)))
    return this.#clock.wallTimeMs() - (now - since)
  }

  /** Calls and tunnels in memory, live ones included. */
  get size(): number {
    return this.#all().length
  }

  #call(session: SessionInfo): Subject {
    const { id, tunnel, user, proxied } = session
    const call = this.#live.call.get(id) ?? this.#open('call', id, tunnel)
    if (user !== undefined) call.user ??= this.#cut(user)
    call.proxied = proxied
    call.protection = this.#protection(tunnel)
    return call
  }

  #tunnel(tunnel: TunnelInfo): Subject {
    return this.#live.tunnel.get(tunnel.key) ?? this.#open('tunnel', tunnel.key, tunnel)
  }

  #subject(id: string): Subject | undefined {
    return this.#live.call.get(id) ?? this.#live.tunnel.get(id)
  }

  #open(kind: TrailRecord['kind'], id: string, tunnel: TunnelInfo): Subject {
    const host = this.#cut(tunnel.peerHostName)
    const known = host === tunnel.peerHostName ? tunnel : { ...tunnel, peerHostName: host }
    const parent = kind === 'call' ? this.#live.tunnel.get(tunnel.key) : undefined
    const subject = new Subject(kind, id, known, parent, this.#clock)
    const live = this.#live[kind]
    live.set(id, subject)
    if (live.size <= this.#limits.mostLive) return subject
    for (const oldest of live.keys()) {
      live.delete(oldest)
      break
    }
    return subject
  }

  #close(subject: Subject, reason: EndReason): Trail {
    const { kind, id, up } = subject
    const now = this.#clock.now()
    const told = reason.text === undefined ? reason : { ...reason, text: this.#cut(reason.text) }
    subject.end = { reason: told, atMs: now, wallMs: this.#clock.wallTimeMs() }
    this.#live[kind].delete(id)
    this.#gone[kind][up ? 'ended' : 'refused'].add(subject, now)
    return subject
  }

  #protection({ protection }: TunnelInfo) {
    return protection && { ...protection, identity: this.#cut(protection.identity) }
  }

  #cut(text: string): string {
    const { longestTextChars } = this.#limits
    return text.length <= longestTextChars ? text : ownCopy(`${text.slice(0, longestTextChars - 3)}...`)
  }

  #tables(): readonly Gone[] {
    return Object.values(this.#gone).flatMap(({ ended, refused }) => [ended, refused])
  }

  #all(): readonly Subject[] {
    const now = this.#clock.now()
    return [
      ...this.#live.call.values(),
      ...this.#live.tunnel.values(),
      ...this.#tables().flatMap(table => table.all(now)),
    ]
  }
}

/** What is over; the oldest goes first. */
class Gone {
  /** Before `#first` they are forgotten. */
  #subjects: Subject[] = []
  #first = 0
  readonly #most: number
  readonly #keptMs: Milliseconds
  /** Up to when what ended may be forgotten already. */
  #lostMs: Milliseconds

  constructor(most: number, keptMs: Milliseconds, now: Milliseconds) {
    this.#most = most
    this.#keptMs = keptMs
    this.#lostMs = now
  }

  add(subject: Subject, now: Milliseconds): void {
    this.#subjects.push(subject)
    this.#forgetOld(now)
    if (this.#subjects.length - this.#first > this.#most) this.#forgetFirst()
  }

  all(now: Milliseconds): readonly Subject[] {
    this.#forgetOld(now)
    return this.#subjects.slice(this.#first)
  }

  knownSince(now: Milliseconds): Milliseconds {
    return Math.max(this.#lostMs, now - this.#keptMs)
  }

  #forgetOld(now: Milliseconds): void {
    while ((this.#subjects[this.#first]?.end?.atMs ?? now) <= now - this.#keptMs) this.#forgetFirst()
  }

  #forgetFirst(): void {
    this.#lostMs = this.#subjects[this.#first]?.end?.atMs ?? this.#lostMs
    // Their memory is given back in portions, which costs each next to nothing.
    if (++this.#first < PORTION) return
    this.#subjects = this.#subjects.slice(this.#first)
    this.#first = 0
  }
}

const PORTION = 512

const utf8 = { in: new TextDecoder(), out: new TextEncoder() }

/** A part of a string keeps the whole of it in memory; this one does not. */
const ownCopy = (text: string) => utf8.in.decode(utf8.out.encode(text))
