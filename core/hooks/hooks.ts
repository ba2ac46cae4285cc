/** The hooks that plugins tap: their types, and one table of kinds, deadlines and fault policies. */
import type { Grant, SessionPolicy } from '../protocol/outputs.ts'
import type {
  AdmitVerdict,
  AssignCall,
  AssignVerdict,
  AuthenticateCall,
  AuthenticateVerdict,
  AuthorizeVerdict,
  PolicyCall,
  PolicyVerdict,
  RevalidateCall,
  RevalidateVerdict,
  SessionCall,
  SessionDown,
  SessionUp,
  SessionUpdate,
  TunnelCall,
  TunnelDown,
  TunnelUp,
} from './views.ts'

export interface HookSpec {
  /**
   * `first-answer`: taps are asked one after the other, `undefined` passes on.
   * `waterfall`: each tap may change the value, or deny. `observer`: all are told at once, none can object.
   */
  readonly kind: 'first-answer' | 'waterfall' | 'observer'
  /** How long one tap may take. */
  readonly deadlineMs: number
  /** What stands for the answer of a tap that throws, is late, or answers nonsense. */
  readonly fault: 'deny' | 'unavailable' | 'refuse' | 'log'
  /** The verdicts that a tap may give, each with the texts that it must carry; a faulty plugin must not pass for consent. */
  readonly verdicts: Readonly<Record<string, readonly string[]>>
  /** Waterfalls: the texts that the value must carry. */
  readonly value?: readonly string[]
}

const ADMIT = {
  kind: 'first-answer',
  deadlineMs: 2_000,
  fault: 'deny',
  verdicts: { accept: [], deny: ['reason'] },
} as const
const OBSERVE = { kind: 'observer', deadlineMs: 5_000, fault: 'log', verdicts: {} } as const

/** Kind, deadline and fault policy of every hook. */
export const HOOKS = {
  admitTunnel: ADMIT,
  admitSession: ADMIT,
  // A RADIUS server or a directory may wait for a person who confirms a push message.
  authenticate: {
    kind: 'first-answer',
    deadlineMs: 45_000,
    fault: 'unavailable',
    // `guard.ts` looks at what a `continue` carries.
    verdicts: {
      accept: ['user'],
      reject: ['reason'],
      unavailable: ['reason'],
      renegotiate: ['reason'],
      continue: [],
    },
  },
  authorize: {
    kind: 'waterfall',
    deadlineMs: 5_000,
    fault: 'deny',
    verdicts: { deny: ['reason'] },
    value: ['user'],
  },
  // An allocator may have to end the session that holds a static address, which takes up to 4 s.
  assignAddress: {
    kind: 'first-answer',
    deadlineMs: 6_000,
    fault: 'refuse',
    verdicts: { lease: ['value', 'id'], refuse: ['reason'] },
  },
  decidePolicy: {
    kind: 'waterfall',
    deadlineMs: 2_000,
    fault: 'deny',
    verdicts: { deny: ['reason'] },
    value: ['zone'],
  },
  revalidate: {
    kind: 'first-answer',
    deadlineMs: 5_000,
    fault: 'unavailable',
    verdicts: { accept: [], deny: ['reason'], unavailable: ['reason'] },
  },
  tunnelUp: OBSERVE,
  tunnelDown: OBSERVE,
  sessionUp: OBSERVE,
  sessionUpdate: OBSERVE,
  sessionDown: OBSERVE,
} as const satisfies Readonly<Record<keyof Hooks, HookSpec>>

const isText = (value: unknown) => typeof value === 'string'
const isTexts = (value: unknown) => Array.isArray(value) && value.every(isText)
const isLike = (form: RegExp) => (value: unknown) => typeof value === 'string' && form.test(value)
const isCount = (value: unknown) => Number.isSafeInteger(value) && Number(value) >= 0
const isRate = (value: unknown) => isCount(value) && value !== 0

/** What a field must be where an answer, or the grant in it, has it: the types of a plugin bind nobody at run time. */
export const FIELDS: Readonly<Record<string, (value: unknown) => boolean>> = {
  message: isText,
  methods: isTexts,
  reply: isText,
  eap: value => value instanceof Uint8Array,
  mschapv2Success: isLike(/^S=[0-9A-F]{40}( |$)/i),
  mschapv2Error: isLike(/^E=\d{1,10}( |$)/),
  errorCode: value => isCount(value) && Number(value) <= 0xffff,
  pool: isText,
  address: isText,
  dns: isTexts,
  nbns: isTexts,
  zone: isText,
  groups: isTexts,
  routes: isTexts,
  mtuBytes: isCount,
  sessionTimeoutS: isCount,
  idleTimeoutS: isCount,
  interimIntervalS: isCount,
  classes: isTexts,
  chargeableIdentity: isText,
  filter: isText,
  maxSessions: isCount,
  upRateBps: isRate,
  downRateBps: isRate,
  ipv6Prefix: isText,
  delegatedPrefix: isText,
  ipv6Pool: isText,
  dns6: isTexts,
  clientRoutes: isTexts,
  domain: isLike(/^[\w.-]{1,253}$/),
  rules: Array.isArray,
}

/** Taps are asked in the order of the config file until one answers; `undefined` is "not mine". `name` is shown in trails. */
export interface FirstAnswerHook<Call, Verdict> {
  /** Taps it with a function that answers at once. `name` is what the trail shows. */
  tap(name: string, decide: (call: Call) => Verdict | undefined): void
  /** Taps it with an async function. Where that is late, the deadline of the hook counts. */
  tapPromise(name: string, decide: (call: Call) => Promise<Verdict | undefined>): void
}

/** Each tap is given what the one before it made of the value; `undefined` leaves it as it is. */
export interface WaterfallHook<Value, Call, Verdict> {
  /** Taps it with a function that answers at once. `name` is what the trail shows. */
  tap(name: string, decide: (value: Value, call: Call) => Verdict | undefined): void
  /** Taps it with an async function. Where that is late, the deadline of the hook counts. */
  tapPromise(name: string, decide: (value: Value, call: Call) => Promise<Verdict | undefined>): void
}

/** All taps are told at once; what they throw is logged and hurts no session. */
export interface ObserverHook<Event> {
  /** Taps it with a function that is told at once. `name` is what the trail shows. */
  tap(name: string, observe: (event: Event) => void): void
  /** Taps it with an async function. Where that is late, the deadline of the hook counts. */
  tapPromise(name: string, observe: (event: Event) => Promise<void>): void
}

/**
 * Every decision and every event of a server. A plugin taps those that it has something to say to, in its `setup`.
 */
export interface Hooks {
  /**
   * A peer asks for a tunnel (SCCRQ). By its address and names; nobody objects: accepted. Deadline 2 s; a fault
   * denies.
   */
  readonly admitTunnel: FirstAnswerHook<TunnelCall, AdmitVerdict>
  /** A peer asks for a call (ICRQ). Nobody objects: accepted. Deadline 2 s; a fault denies. */
  readonly admitSession: FirstAnswerHook<SessionCall, AdmitVerdict>
  /** Is this user who it claims to be? Nobody knows it: rejected. Deadline 45 s; a fault is `unavailable`. */
  readonly authenticate: FirstAnswerHook<AuthenticateCall, AuthenticateVerdict>
  /** What the user may: each tap narrows or completes the grant. Deadline 5 s; a fault denies. */
  readonly authorize: WaterfallHook<Grant, SessionCall, AuthorizeVerdict>
  /** An address for the session. Nobody has one: refused. Deadline 6 s; a fault refuses. */
  readonly assignAddress: FirstAnswerHook<AssignCall, AssignVerdict>
  /** The rules of the session's traffic, first match wins, none denies. Deadline 2 s; a fault denies. */
  readonly decidePolicy: WaterfallHook<SessionPolicy, PolicyCall, PolicyVerdict>
  /** May this live session stay? Asked by `burrow reload --enforce`. */
  readonly revalidate: FirstAnswerHook<RevalidateCall, RevalidateVerdict>
  /** A tunnel is established. Observers have 5 s each, and none can object. */
  readonly tunnelUp: ObserverHook<TunnelUp>
  /** A tunnel is gone. */
  readonly tunnelDown: ObserverHook<TunnelDown>
  /** A session forwards: the Start record. */
  readonly sessionUp: ObserverHook<SessionUp>
  /** A session still forwards: the Interim record. */
  readonly sessionUpdate: ObserverHook<SessionUpdate>
  /** A session is gone: the Stop record. */
  readonly sessionDown: ObserverHook<SessionDown>
}

/** The name of a hook. */
export type HookName = keyof Hooks
