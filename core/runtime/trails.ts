/**
 * Why each call and each tunnel was let in, or was not: every decision about it, kept while it lives and for an hour after.
 * What lives is never forgotten for what is gone, and what was up never for what was refused, which costs a peer next to nothing.
 */
import type { TrailEntry } from '../hooks/guard.ts'
import type { Clock, Milliseconds } from '../ports.ts'
import type {
  Ask,
  AskKind,
  EndCause,
  EndReason,
  Event,
  SessionInfo,
  TunnelInfo,
  Verdict,
} from '../protocol/outputs.ts'

/** A decision of one tap, with its place in the life of the call. */
export interface KeptEntry extends TrailEntry {
  /** From the beginning of the call or tunnel until its tap was asked. */
  readonly afterMs: Milliseconds
}

/** Decisions in the order in which they were taken. */
export interface Trail {
  /** The latest, at most 32. */
  readonly entries: readonly KeptEntry[]
  /** Earlier entries that are no longer kept. */
  readonly dropped: number
}

/** What is remembered of one call or tunnel. Text from the peer is raw: escape at output. */
export interface TrailRecord extends Trail {
  /** Which of the two it is. */
  readonly kind: 'call' | 'tunnel'
  /** SessionInfo.id of a call, TunnelInfo.key of a tunnel. */
  readonly id: string
  /** As the peer sent it. */
  readonly user?: string
  /** As the authenticator has it. */
  readonly acceptedAs?: string
  /** address:port */
  readonly peer: string
  /** Host name of the peer, as it claims. */
  readonly host: string
  /** TunnelInfo.key */
  readonly tunnel: string
  /** Wall time, ISO 8601. */
  readonly startedAt: string
  /** Wall time, ISO 8601; absent while it lives. */
  readonly endedAt?: string
  /** `refused`: somebody decided so; `failed`: it ended before it was up for another reason. */
  readonly outcome: 'deciding' | 'up' | 'refused' | 'failed' | 'ended'
  /** Who ended it, and why; absent while it lives. */
  readonly end?: EndReason
  /** The decision that said no, where one did. */
  readonly refusal?: Refusal
  /** The decision that is awaited, and for how long. */
  readonly asking?: {
    /** What is asked. */
    readonly hook: AskKind
    /** Since it was asked. */
    readonly ms: Milliseconds
  }
  /** Of the tunnel that the call came in. */
  readonly tunnelEntries: readonly KeptEntry[]
  /** Of the config that it is served by, counted from the start. */
  readonly generation?: number
  /** That it belongs to; absent outside of all. */
  readonly deployment?: string
}

/** The decision that said no. */
export interface Refusal {
  /** Which decision it was. */
  readonly by: AskKind
  /** As the plugin gave it. */
  readonly reason: string
}

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

interface Subject {
  readonly kind: TrailRecord['kind']
  readonly id: string
  readonly tunnel: TunnelInfo
  readonly startedMs: Milliseconds
  readonly startedWallMs: number
  readonly entries: KeptEntry[]
  /** Of a call. */
  readonly parent: Subject | undefined
  dropped: number
  user: string | undefined
  acceptedAs: string | undefined
  refusal: Refusal | undefined
  asking: { readonly hook: AskKind; readonly sinceMs: Milliseconds } | undefined
  generation: number | undefined
  deployment: string | undefined
  up: boolean
  end: { readonly reason: EndReason; readonly atMs: Milliseconds; readonly wallMs: number } | undefined
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
    if (verdict?.kind === 'deny') {
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
    for (const { hook, plugin, tap, verdict, reason, ms } of entries) {
      const kept = { hook, plugin, tap, verdict, ms: microseconds(ms), afterMs: microseconds(at) }
      subject.entries.push(reason === undefined ? kept : { ...kept, reason: this.#cut(reason) })
      at += ms
    }
    const over = subject.entries.length - this.#limits.mostEntries
    if (over <= 0) return
    subject.entries.splice(0, over)
    subject.dropped += over
  }

  /** Notes by which generation of the config, and which deployment, a call or tunnel is served. */
  serve(ask: Ask, { generation, deployment }: Served): void {
    const subject = this.#subject('session' in ask ? ask.session.id : ask.tunnel.key)
    if (subject === undefined) return
    subject.generation = generation.number
    subject.deployment = deployment
  }

  /** Follows what happens to calls and tunnels; at the end of one, gives its trail. */
  take(event: Event): Trail | undefined {
    switch (event.kind) {
      case 'tunnelUp':
        this.#tunnel(event.tunnel).up = true
        return undefined
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
    const { id, tunnel, user } = session
    const call = this.#live.call.get(id) ?? this.#open('call', id, tunnel)
    if (user !== undefined) call.user ??= this.#cut(user)
    return call
  }

  #tunnel(tunnel: TunnelInfo): Subject {
    return this.#live.tunnel.get(tunnel.key) ?? this.#open('tunnel', tunnel.key, tunnel)
  }

  #subject(id: string): Subject | undefined {
    return this.#live.call.get(id) ?? this.#live.tunnel.get(id)
  }

  #open(kind: TrailRecord['kind'], id: string, tunnel: TunnelInfo): Subject {
    const subject: Subject = {
      kind,
      id,
      tunnel: { ...tunnel, peerHostName: this.#cut(tunnel.peerHostName) },
      startedMs: this.#clock.now(),
      startedWallMs: this.#clock.wallTimeMs(),
      entries: [],
      parent: kind === 'call' ? this.#live.tunnel.get(tunnel.key) : undefined,
      dropped: 0,
      user: undefined,
      acceptedAs: undefined,
      refusal: undefined,
      asking: undefined,
      generation: undefined,
      deployment: undefined,
      up: false,
      end: undefined,
    }
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
    const { kind, id, up, entries, dropped } = subject
    const text = reason.text === undefined ? {} : { text: this.#cut(reason.text) }
    const now = this.#clock.now()
    subject.end = { reason: { ...reason, ...text }, atMs: now, wallMs: this.#clock.wallTimeMs() }
    this.#live[kind].delete(id)
    this.#gone[kind][up ? 'ended' : 'refused'].add(subject, now)
    return { entries, dropped }
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

/** Ends that are a decision of this server, though no plugin took it. */
const REFUSALS: ReadonlySet<EndCause> = new Set([
  'not-admitted',
  'auth-failed',
  'not-authorized',
  'no-address',
  'policy-denied',
  'no-resources',
])

function recordOf(subject: Subject, now: Milliseconds): TrailRecord {
  const {
    asking,
    kind,
    id,
    user,
    acceptedAs,
    tunnel,
    entries,
    dropped,
    refusal,
    generation,
    deployment,
    parent,
    end,
  } = subject
  const { remote } = tunnel.path
  return {
    kind,
    id,
    ...(user === undefined ? {} : { user }),
    ...(acceptedAs === undefined ? {} : { acceptedAs }),
    peer: `${remote.address}:${remote.port}`,
    host: tunnel.peerHostName,
    tunnel: tunnel.key,
    startedAt: new Date(subject.startedWallMs).toISOString(),
    ...(end === undefined ? {} : { endedAt: new Date(end.wallMs).toISOString(), end: end.reason }),
    outcome: outcomeOf(subject),
    ...(refusal === undefined ? {} : { refusal }),
    ...(asking === undefined ? {} : { asking: { hook: asking.hook, ms: now - asking.sinceMs } }),
    entries: [...entries],
    dropped,
    tunnelEntries: parent === undefined ? [] : entriesBefore(subject, parent),
    ...(generation === undefined ? {} : { generation }),
    ...(deployment === undefined ? {} : { deployment }),
  }
}

/** What was decided about the tunnel, in the time of its call. */
function entriesBefore({ startedMs }: Subject, tunnel: Subject): readonly KeptEntry[] {
  const shiftMs = tunnel.startedMs - startedMs
  return tunnel.entries.map(entry => ({ ...entry, afterMs: microseconds(entry.afterMs + shiftMs) }))
}

function outcomeOf({ up, end, refusal }: Subject): TrailRecord['outcome'] {
  if (end === undefined) return up ? 'up' : 'deciding'
  if (up) return 'ended'
  return refusal !== undefined || REFUSALS.has(end.reason.cause) ? 'refused' : 'failed'
}

const FEWEST_DIGITS = 4

/** `wanted` in lower case. */
function fits({ kind, id, user, acceptedAs, tunnel }: Subject, wanted: string): boolean {
  return (
    id === wanted ||
    (kind === 'call' && wanted.length >= FEWEST_DIGITS && id.startsWith(wanted)) ||
    user?.toLowerCase() === wanted ||
    acceptedAs?.toLowerCase() === wanted ||
    tunnel.path.remote.address === wanted ||
    tunnel.key === wanted
  )
}

/** Clocks tell more digits than anybody reads. */
const microseconds = (ms: Milliseconds): Milliseconds => Math.round(ms * 1000) / 1000

const utf8 = { in: new TextDecoder(), out: new TextEncoder() }

/** A part of a string keeps the whole of it in memory; this one does not. */
const ownCopy = (text: string) => utf8.in.decode(utf8.out.encode(text))
