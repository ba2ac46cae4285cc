/** What is remembered of one call or tunnel, and how it is told. */
import type { TrailEntry } from '../hooks/guard.ts'
import type { HookName } from '../hooks/hooks.ts'
import type { Clock, Milliseconds } from '../ports.ts'
import type {
  AskKind,
  EndCause,
  EndReason,
  ProxiedPart,
  TunnelInfo,
  TunnelProtection,
} from '../protocol/outputs.ts'
import { socketText } from '../wire/socket-text.ts'

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
  /** What a LAC negotiated in our stead; absent: nothing that counted. */
  readonly proxied?: ProxiedPart
  /** What carried it, as it came up or a call was last decided on. */
  readonly protection?: TunnelProtection
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

/** A call or tunnel as it is kept. */
export class Subject implements Trail {
  readonly kind: TrailRecord['kind']
  readonly id: string
  readonly tunnel: TunnelInfo
  readonly startedMs: Milliseconds
  readonly startedWallMs: number
  /** Of a call. */
  readonly parent: Subject | undefined
  user: string | undefined = undefined
  acceptedAs: string | undefined = undefined
  proxied: ProxiedPart | undefined = undefined
  protection: TunnelProtection | undefined = undefined
  refusal: Refusal | undefined = undefined
  asking: { readonly hook: AskKind; readonly sinceMs: Milliseconds } | undefined = undefined
  generation: number | undefined = undefined
  deployment: string | undefined = undefined
  up = false
  end: { readonly reason: EndReason; readonly atMs: Milliseconds; readonly wallMs: number } | undefined =
    undefined
  dropped = 0
  readonly #packed: Packed = []

  constructor(
    kind: TrailRecord['kind'],
    id: string,
    tunnel: TunnelInfo,
    parent: Subject | undefined,
    clock: Pick<Clock, 'now' | 'wallTimeMs'>,
  ) {
    this.kind = kind
    this.id = id
    this.tunnel = tunnel
    this.parent = parent
    this.startedMs = clock.now()
    this.startedWallMs = clock.wallTimeMs()
  }

  get entries(): readonly KeptEntry[] {
    const packed = this.#packed
    return Array.from({ length: packed.length / PACKED_FIELDS }, (_, nth) =>
      unpack(packed, nth * PACKED_FIELDS),
    )
  }

  /** `reason`: what of the entry's own is kept. */
  keep(
    { hook, plugin, tap, verdict, ms }: TrailEntry,
    reason: string | undefined,
    afterMs: Milliseconds,
  ): void {
    this.#packed.push(hook, plugin, tap, verdict, reason, microseconds(ms), microseconds(afterMs))
  }

  /** Forgets the oldest beyond `most`. */
  forget(most: number): void {
    const over = this.#packed.length / PACKED_FIELDS - most
    if (over <= 0) return
    this.#packed.splice(0, over * PACKED_FIELDS)
    this.dropped += over
  }
}

/**
 * Entries field by field, times in whole microseconds: thousands of calls are remembered, and one array is one thing for the
 * garbage collector to look after, where an object with two fractions for each entry is three.
 */
type Packed = PackedEntry[number][]
type PackedEntry = [
  hook: HookName,
  plugin: string,
  tap: string,
  verdict: string,
  reason: string | undefined,
  us: number,
  afterUs: number,
]
const PACKED_FIELDS: PackedEntry['length'] = 7

function unpack(packed: Packed, at: number): KeptEntry {
  const fields = packed.slice(at, at + PACKED_FIELDS) as PackedEntry
  const [hook, plugin, tap, verdict, reason, us, afterUs] = fields
  const why = reason === undefined ? {} : { reason }
  return { hook, plugin, tap, verdict, ...why, ms: us / 1000, afterMs: afterUs / 1000 }
}

/** Ends that are a decision of this server, though no plugin took it. */
const REFUSALS: ReadonlySet<EndCause> = new Set([
  'not-admitted',
  'auth-failed',
  'not-authorized',
  'no-address',
  'policy-denied',
  'no-resources',
])

export function recordOf(subject: Subject, now: Milliseconds): TrailRecord {
  const {
    asking,
    kind,
    id,
    user,
    acceptedAs,
    proxied,
    protection,
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
    peer: socketText(remote),
    host: tunnel.peerHostName,
    ...(proxied === undefined ? {} : { proxied }),
    ...(protection === undefined ? {} : { protection }),
    tunnel: tunnel.key,
    startedAt: new Date(subject.startedWallMs).toISOString(),
    ...(end === undefined ? {} : { endedAt: new Date(end.wallMs).toISOString(), end: end.reason }),
    outcome: outcomeOf(subject),
    ...(refusal === undefined ? {} : { refusal }),
    ...(asking === undefined ? {} : { asking: { hook: asking.hook, ms: now - asking.sinceMs } }),
    entries,
    dropped,
    tunnelEntries: parent === undefined ? [] : entriesBefore(subject, parent),
    ...(generation === undefined ? {} : { generation }),
    ...(deployment === undefined ? {} : { deployment }),
  }
}

/** What was decided about the tunnel, in the time of its call. */
function entriesBefore({ startedMs }: Subject, tunnel: Subject): readonly KeptEntry[] {
  const shiftMs = tunnel.startedMs - startedMs
  return tunnel.entries.map(entry => ({ ...entry, afterMs: microseconds(entry.afterMs + shiftMs) / 1000 }))
}

function outcomeOf({ up, end, refusal }: Subject): TrailRecord['outcome'] {
  if (end === undefined) return up ? 'up' : 'deciding'
  if (up) return 'ended'
  return refusal !== undefined || REFUSALS.has(end.reason.cause) ? 'refused' : 'failed'
}

const FEWEST_DIGITS = 4

/** Whether somebody who asks for `wanted`, in lower case, means this one. */
export function fits({ kind, id, user, acceptedAs, tunnel }: Subject, wanted: string): boolean {
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
const microseconds = (ms: Milliseconds): number => Math.round(ms * 1000)
