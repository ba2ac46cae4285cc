/** The answer to "why was this user refused?", for `burrow explain`. */
import { z } from 'zod'
import { BurrowError } from '../errors.ts'
import type { TrailEntry } from '../hooks/guard.ts'
import { checkedArguments } from './control-arguments.ts'
import type { TrailRecord } from './trail-record.ts'
import type { Trails } from './trails.ts'

const Query = z.strictObject({
  /** A session id or its first digits, a user, an address of a peer, a tunnel key. */
  about: z.string().min(1).max(256),
  most: z.number().int().min(1).max(100_000).default(5),
})

/** A record with the answer in one sentence. */
export interface Explained extends TrailRecord {
  /** One sentence for people. */
  readonly answer: string
}

export interface Explanation {
  /** The newest first. */
  readonly records: readonly Explained[]
  /** How many there are, those left out included. */
  readonly found: number
  /** What ended before may be forgotten. Wall time, ISO 8601. */
  readonly knownSince: string
}

/** Answers a request of the control socket; USAGE, or TRAIL_NOT_FOUND where nothing is known of `about`. */
export function explain(trails: Trails, args: unknown): Explanation {
  const { about, most } = checkedArguments(Query, args)
  const found = trails.find(about)
  const knownSince = new Date(trails.knownSinceMs()).toISOString()
  if (found.length === 0) {
    throw new BurrowError(
      'TRAIL_NOT_FOUND',
      `no call and no tunnel of ${JSON.stringify(about)} is known; what ended is known since ${knownSince}`,
    )
  }
  const records = found.slice(0, most).map(record => ({ ...record, answer: answerOf(record) }))
  return { records, found: found.length, knownSince }
}

/** Why this call or tunnel was let in or refused, from the decision that settled it. */
export function answerOf(record: TrailRecord): string {
  const { kind, outcome, user, acceptedAs, peer, refusal, end, asking } = record
  const who = kind === 'tunnel' ? `The tunnel of ${peer}` : `The call of ${acceptedAs ?? user ?? peer}`
  const why = end === undefined ? '' : end.text === undefined ? end.cause : `${end.cause} (${end.text})`
  switch (outcome) {
    case 'up':
      return `${who} is up${letIn(record)}.`
    case 'ended':
      return `${who} was up${letIn(record)}; it ended: ${why}.`
    case 'deciding': {
      if (asking === undefined) return `${who} is being set up.`
      return `${who} is being set up: ${asking.hook} has been asked for ${Math.round(asking.ms)} ms.`
    }
    case 'failed':
      return `${who} did not come up: ${why}. Nobody had refused it${lastAsked(record)}.`
    case 'refused':
      return refusal === undefined
        ? `${who} was refused by the server itself: ${why}.`
        : `${who} was refused ${whyRefused(record)}.`
  }
}

/** What says no, or stands for it. */
const REFUSING: ReadonlySet<string> = new Set(['deny', 'reject', 'refuse', 'unavailable'])

/** `in HOOK by PLUGIN (VERDICT): REASON`, from the entry that made the refusal. */
export function whyRefused({ entries, refusal }: Pick<TrailRecord, 'entries' | 'refusal'>): string {
  const asked = entries.filter(({ hook }) => hook === refusal?.by)
  const decided = asked.findLast(({ verdict }) => REFUSING.has(verdict))
  const passed = asked.map(named).join(', ')
  const who =
    decided !== undefined
      ? ` by ${named(decided)} (${decided.verdict})`
      : `, where ${passed === '' ? 'no plugin was asked' : `${passed} passed`}`
  return `in ${refusal?.by}${who}: ${refusal?.reason}`
}

function letIn({ entries }: TrailRecord): string {
  const accepted = entries.findLast(({ hook, verdict }) => hook === 'authenticate' && verdict === 'accept')
  return accepted === undefined ? '' : `: ${named(accepted)} accepted the user`
}

function lastAsked({ entries }: TrailRecord): string {
  const last = entries.at(-1)
  if (last === undefined) return ', for nobody was asked'
  return `; the last that was asked is ${named(last)} in ${last.hook} (${last.verdict})`
}

const named = ({ plugin, tap }: TrailEntry) => (plugin === tap ? plugin : `${plugin} (${tap})`)
