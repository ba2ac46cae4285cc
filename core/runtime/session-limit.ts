import type { TrailEntry } from '../hooks/guard.ts'
import type { Grant, SessionInfo } from '../protocol/outputs.ts'
import type { Generations } from './generations.ts'
import type { SessionBook } from './session-book.ts'

/** Holds `Grant.maxSessions`: of those who are in under one name the first stay, however close the logins are. */
export class SessionLimit {
  readonly #book: SessionBook
  readonly #generations: Pick<Generations, 'deploymentOf'>

  constructor(book: SessionBook, generations: Pick<Generations, 'deploymentOf'>) {
    this.#book = book
    this.#generations = generations
  }

  /** Notes the session under the name that it is granted to, and says why it is one too many. Sessions count until their leases are released. */
  enter(session: SessionInfo, grant: Grant, deployment: string | undefined): TrailEntry | undefined {
    this.#book.note({ ...session, user: grant.user })
    return this.refusal(session, grant, deployment)
  }

  /** The same without a note. Users of other deployments are other people. */
  refusal({ id }: SessionInfo, grant: Grant, deployment: string | undefined): TrailEntry | undefined {
    const { user, maxSessions } = grant
    if (maxSessions === undefined) return undefined
    const all = this.#book
      .ofUser(user)
      .filter(other => other.id === id || this.#generations.deploymentOf(other) === deployment)
    const own = all.findIndex(other => other.id === id)
    const before = own < 0 ? all.length : own
    if (before < maxSessions) return undefined
    const reason = `the user has ${before} of ${maxSessions} sessions`
    return { hook: 'authorize', plugin: 'burrow', tap: 'maxSessions', verdict: 'deny', reason, ms: 0 }
  }
}
