/** What an entry says of its account: disabled, expired, locked, not now. A table of attributes, each read by itself. */
import type { Entry } from './entry.ts'
import { logonHoursAt } from './logon-hours.ts'

export interface StateQuestion {
  readonly wallTimeMs: number
  /**
   * The directory itself has just let the user in, so it does not hold the account for locked; what the entry says was read
   * before, and locks run out without a trace.
   */
  readonly bound: boolean
}

export type State =
  | {
      readonly kind: 'good' /** Until it is no longer; absent: nothing is known to end it. */
      readonly forS?: number
    }
  | { readonly kind: 'bad'; readonly text: string }

type Read = (value: string | Buffer, question: StateQuestion, entry: Entry) => State

const GOOD: State = { kind: 'good' }
const bad = (text: string): State => ({ kind: 'bad', text })

/** userAccountControl, [MS-ADTS] 2.2.16. */
const UF_ACCOUNTDISABLE = 0x2
const UF_LOCKOUT = 0x10
const UF_PASSWORD_EXPIRED = 0x80_0000
const UF_DONT_EXPIRE_PASSWD = 0x1_0000

/** 100 ns since 1601; two values stand for "never" ([MS-ADA1] accountExpires). */
const FILETIME_NEVER: ReadonlySet<bigint> = new Set([0n, 0x7fff_ffff_ffff_ffffn])
const FILETIME_EPOCH_MS = 11_644_473_600_000
const DAY_MS = 86_400_000
/** ppolicy: locked until somebody unlocks it. */
const LOCKED_FOR_GOOD = '000001010000Z'

const INTEGER = /^-?\d{1,20}$/

/** Attributes by name; what cannot be read is bad, for nobody knows what it would have said. */
const STATES: Readonly<Record<string, Read>> = {
  userAccountControl: integer(flags =>
    flags & BigInt(UF_ACCOUNTDISABLE)
      ? bad('the account is disabled')
      : flags & BigInt(UF_PASSWORD_EXPIRED)
        ? bad('the password has expired')
        : GOOD,
  ),
  'msDS-User-Account-Control-Computed': integer((flags, { bound }) => {
    if (flags & BigInt(UF_PASSWORD_EXPIRED)) return bad('the password has expired')
    return flags & BigInt(UF_LOCKOUT) && !bound ? bad('the account is locked') : GOOD
  }),
  // Stays when the lock runs out; the computed flags know better.
  lockoutTime: integer((time, { bound }, entry) =>
    time === 0n || bound || entry.text('msDS-User-Account-Control-Computed') !== undefined
      ? GOOD
      : bad('the account is locked'),
  ),
  accountExpires: integer((time, { wallTimeMs }) =>
    FILETIME_NEVER.has(time)
      ? GOOD
      : until(Number(time / 10_000n) - FILETIME_EPOCH_MS, wallTimeMs, 'the account has expired'),
  ),
  pwdLastSet: integer((time, _, entry) => {
    const flags = Number(entry.text('userAccountControl') ?? 0)
    return time === 0n && !(flags & UF_DONT_EXPIRE_PASSWD) ? bad(MUST_CHANGE) : GOOD
  }),
  // Days since 1970; the account is disabled from that day on. Empty, 0 and -1 are used for "never".
  shadowExpire: integer((days, { wallTimeMs }) =>
    days <= 0n ? GOOD : until(Number(days) * DAY_MS, wallTimeMs, 'the account has expired'),
  ),
  pwdAccountLockedTime: (value, { bound }) =>
    value.toString() === LOCKED_FOR_GOOD || !bound ? bad('the account is locked') : GOOD,
  pwdReset: value => (isTrue(value) ? bad(MUST_CHANGE) : GOOD),
  nsAccountLock: value => (isTrue(value) ? bad('the account is locked') : GOOD),
  sambaAcctFlags: (value, { bound }) => {
    const [, flags] = /^\[([A-Z ]*)\]$/.exec(value.toString()) ?? []
    if (flags === undefined) return bad('unreadable')
    if (flags.includes('D')) return bad('the account is disabled')
    return flags.includes('L') && !bound ? bad('the account is locked') : GOOD
  },
  logonHours,
  sambaLogonHours: logonHours,
}

const MUST_CHANGE = 'the password must be changed first'

export type StateAttribute = keyof typeof STATES
export const STATE_ATTRIBUTES: readonly string[] = Object.keys(STATES)

/** The first thing that speaks against it, with the attribute that says so; else how long it stays good. */
export function stateOf(entry: Entry, attributes: readonly string[], question: StateQuestion): State {
  let forS: number | undefined
  for (const attribute of attributes) {
    for (const value of entry.values(attribute)) {
      const state = STATES[attribute]?.(value, question, entry) ?? GOOD
      if (state.kind === 'bad') return bad(`${state.text} (${attribute})`)
      if (state.forS !== undefined) forS = Math.min(forS ?? state.forS, state.forS)
    }
  }
  return forS === undefined ? GOOD : { kind: 'good', forS }
}

function integer(read: (value: bigint, question: StateQuestion, entry: Entry) => State): Read {
  return (value, question, entry) => {
    const text = value.toString()
    return INTEGER.test(text) ? read(BigInt(text), question, entry) : bad('unreadable')
  }
}

function logonHours(value: string | Buffer, { wallTimeMs }: StateQuestion): State {
  const hours = logonHoursAt(value, wallTimeMs)
  if (hours.kind === 'unreadable') return bad('unreadable')
  if (hours.kind === 'not-now') return bad('not within the logon hours')
  return hours.forS === undefined ? GOOD : { kind: 'good', forS: hours.forS }
}

function until(endMs: number, wallTimeMs: number, text: string): State {
  if (endMs <= wallTimeMs) return bad(text)
  return { kind: 'good', forS: Math.ceil((endMs - wallTimeMs) / 1000) }
}

const isTrue = (value: string | Buffer): boolean => value.toString().toUpperCase() === 'TRUE'
