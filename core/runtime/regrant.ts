/** Grants a live session something else because a plugin says so: the rules are decided on again, and nothing is dropped. */
import { Inquiry, isWellFormed, type TrailEntry } from '../hooks/guard.ts'
import type { GrantChange, Regranted } from '../plugin/plugin.ts'
import type { Endpoint } from '../protocol/endpoint.ts'
import type { Grant, SessionInfo, SessionKey } from '../protocol/outputs.ts'
import type { Driver } from './driver.ts'
import type { Generations } from './generations.ts'
import { askPolicy } from './session-policy.ts'

export interface RegrantParts {
  readonly generations: Generations
  readonly endpoint: Pick<Endpoint, 'regrant'>
  readonly driver: Pick<Driver, 'act' | 'update' | 'book'>
  /** Given what was decided about a session. */
  readonly trail: (session: SessionInfo, entries: readonly TrailEntry[]) => void
}

/** What `ServerView.regrant` does. */
export async function regrant(parts: RegrantParts, key: SessionKey, change: GrantChange): Promise<Regranted> {
  const { generations, endpoint, driver, trail } = parts
  if (!isWellFormed(change)) return { denied: 'the change is no part of a grant' }
  const session = driver.book.at(key)
  if (session === undefined) return 'gone'
  for (;;) {
    const before = driver.update(session)
    if (before === undefined) return 'gone'
    const grant = changedGrant(before.grant, change)
    const binding = generations.ofSession(session)
    const inquiry = new Inquiry()
    const policy = await askPolicy(binding, inquiry, {
      session: before.session,
      grant,
      leases: before.leases,
    })
    trail(session, inquiry.trail)
    const now = driver.update(session)
    if (now === undefined) return 'gone'
    // Somebody else was faster, by another change or by a reload: what was decided is about a grant of the past.
    if (now.grant !== before.grant || generations.ofSession(session) !== binding) continue
    if ('kind' in policy) return { denied: policy.reason }
    return driver.act(at => endpoint.regrant(at, key, { grant, policy })) ? 'changed' : 'gone'
  }
}

/** What is undefined in the change goes. */
export function changedGrant(grant: Grant, change: GrantChange): Grant {
  const fields = Object.entries({ ...grant, ...change, user: grant.user })
  return Object.fromEntries(fields.filter(([, value]) => value !== undefined)) as unknown as Grant
}
