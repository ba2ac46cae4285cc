/** Carries out what a request asks for, and says what became of it. */
import type {
  Grant,
  GrantChange,
  Logger,
  RadiusAttribute,
  RadiusClient,
  RadiusMessage,
  Regranted,
  ServerView,
  SessionUpdate,
} from 'burrow'
import { type Change, readChange } from './changes.ts'
import type { Options, Source } from './config.ts'
import {
  DISCONNECT_ATTRIBUTES,
  fitting,
  identifies,
  isUs,
  NAS_ATTRIBUTES,
  SESSION_ATTRIBUTES,
} from './identify.ts'
import { ERROR_CAUSE, isNak, type Nak, nak } from './nak.ts'

/** More sessions of one request would hold others up. */
const MOST_SESSIONS = 256
const FRAMED_USER = 2

/** Says nothing of a session: it is for proxies, against replays, or for people. */
const ASIDE: ReadonlySet<string> = new Set(['Proxy-State', 'Event-Timestamp'])
const DISCONNECT_ASIDE: ReadonlySet<string> = new Set([...ASIDE, 'Reply-Message'])

export interface RequestParts {
  readonly radius: RadiusClient
  readonly server: ServerView
  readonly log: Logger
  readonly options: Pick<Options, 'severalSessions' | 'zones' | 'filterIsZone'>
  /** Seconds since 1970. */
  readonly nowS: () => number
}

export class Requests {
  readonly #parts: RequestParts

  constructor(parts: RequestParts) {
    this.#parts = parts
  }

  /** The answer, which is sent as it is. */
  async answer({ code, attributes }: RadiusMessage, source: Source, name: string): Promise<RadiusMessage> {
    const outcome =
      code === 'CoA-Request'
        ? await this.#change(attributes, source)
        : await this.#disconnect(attributes, source, name)
    this.#log(code, name, attributes, outcome)
    return this.reply({ code, attributes }, isNak(outcome) ? outcome : undefined)
  }

  /** What of the request belongs into its answer, and why it was not carried out. */
  reply({ code, attributes }: RadiusMessage, refusal: Nak | undefined): RadiusMessage {
    const kind = code === 'CoA-Request' ? 'CoA' : 'Disconnect'
    const isDone = refusal === undefined
    return {
      code: `${kind}-${isDone ? 'ACK' : 'NAK'}`,
      attributes: [
        ...(isDone ? [] : [{ name: 'Error-Cause', value: ERROR_CAUSE[refusal.cause] }]),
        ...(isDone && kind === 'Disconnect' ? [{ name: 'Acct-Terminate-Cause', value: 'Admin-Reset' }] : []),
        ...(attributes.some(({ name }) => name === 'Event-Timestamp')
          ? [{ name: 'Event-Timestamp', value: this.#parts.nowS() }]
          : []),
        // RFC 5176 3.1: all of them, in order.
        ...attributes.filter(({ name }) => name === 'Proxy-State'),
      ],
    }
  }

  async #disconnect(
    attributes: readonly RadiusAttribute[],
    source: Source,
    name: string,
  ): Promise<Nak | readonly SessionUpdate[]> {
    const rest = attributes.filter(
      one =>
        !DISCONNECT_ASIDE.has(one.name) &&
        !Object.hasOwn(NAS_ATTRIBUTES, one.name) &&
        !Object.hasOwn(DISCONNECT_ATTRIBUTES, one.name),
    )
    if (!source.accepts.includes('disconnect')) return nak('administrativelyProhibited', 'not of this source')
    const [unsupported] = rest
    if (unsupported !== undefined) return this.#misfit(unsupported)
    const found = this.#find(attributes, DISCONNECT_ATTRIBUTES)
    if (isNak(found)) return found
    const text = `Disconnect-Request of ${name}`
    const { server } = this.#parts
    const ended = await Promise.allSettled(
      found.map(({ session }) => server.endSession(session.key, 'admin-reset', text)),
    )
    return ended.every(({ status }) => status === 'fulfilled')
      ? found
      : nak('sessionContextNotRemovable', 'a session did not end in time')
  }

  async #change(
    attributes: readonly RadiusAttribute[],
    source: Source,
  ): Promise<Nak | readonly SessionUpdate[]> {
    const { options } = this.#parts
    if (!source.accepts.includes('coa')) return nak('administrativelyProhibited', 'not of this source')
    const service = attributes.find(({ name }) => name === 'Service-Type')
    // "Authorize Only" (RFC 5176 3.2) would have us ask a server; there is one way to change a session, and this is it.
    if (service !== undefined && service.value !== FRAMED_USER)
      return nak('unsupportedService', `Service-Type ${String(service.value)}`)
    const changes = attributes.filter(
      one =>
        one !== service &&
        !ASIDE.has(one.name) &&
        !Object.hasOwn(NAS_ATTRIBUTES, one.name) &&
        !Object.hasOwn(SESSION_ATTRIBUTES, one.name),
    )
    const malformed = changes.find(({ name }) => this.#parts.radius.meant(name) !== undefined)
    if (malformed !== undefined) return this.#misfit(malformed)
    const change = readChange(changes, options)
    if (typeof change === 'object') return change
    const found = this.#find(attributes, SESSION_ATTRIBUTES)
    return isNak(found) ? found : this.#changeAll(found, change)
  }

  /** An attribute that has no place in the request, or whose octets are no value of its type. */
  #misfit({ name }: RadiusAttribute): Nak {
    const meant = this.#parts.radius.meant(name)
    return meant === undefined
      ? nak('unsupportedAttribute', `${name} has no place here`)
      : nak('invalidRequest', `${meant} is malformed`)
  }

  #find(
    attributes: readonly RadiusAttribute[],
    rows: typeof SESSION_ATTRIBUTES,
  ): Nak | readonly SessionUpdate[] {
    const { radius, server, options } = this.#parts
    const other = attributes.find(
      one => Object.hasOwn(NAS_ATTRIBUTES, one.name) && !isUs(one, radius, server),
    )
    if (other !== undefined) return nak('nasIdentificationMismatch', `${other.name} is another's`)
    const asked = attributes.filter(({ name }) => Object.hasOwn(rows, name))
    if (!asked.some(({ name }) => identifies(name))) return nak('missingAttribute', 'no session is named')
    const found = server.sessions(fitting(asked, rows, radius))
    if (found.length === 0) return nak('sessionContextNotFound', 'no session fits')
    if (found.length > 1 && options.severalSessions === 'refuse')
      return nak('multipleSessionSelectionUnsupported', `${found.length} sessions fit`)
    if (found.length > MOST_SESSIONS) return nak('resourcesUnavailable', `${found.length} sessions fit`)
    return found
  }

  /** All, or none (RFC 5176 3): where one is refused, those before it are granted again what they had. */
  async #changeAll(
    sessions: readonly SessionUpdate[],
    change: Change,
  ): Promise<Nak | readonly SessionUpdate[]> {
    const changed: SessionUpdate[] = []
    for (const one of sessions) {
      const outcome = await this.#regrant(one, change(one.grant))
      if (outcome === 'changed') changed.push(one)
      else if (outcome !== 'gone') {
        for (const before of changed) await this.#regrant(before, undone(change(before.grant), before.grant))
        return nak('administrativelyProhibited', outcome.denied)
      }
    }
    return changed.length > 0 ? changed : nak('sessionContextNotFound', 'the session has just ended')
  }

  /** While others were decided on it may have ended, and its key may be another's by now. */
  async #regrant({ session: { id, key } }: SessionUpdate, change: GrantChange): Promise<Regranted> {
    const { server } = this.#parts
    const [up] = server.sessions(({ session }) => session.id === id)
    return up === undefined ? 'gone' : server.regrant(key, change)
  }

  #log(
    request: string,
    from: string,
    attributes: readonly RadiusAttribute[],
    outcome: Nak | readonly SessionUpdate[],
  ): void {
    const { log } = this.#parts
    const names = attributes.map(({ name }) => name).join(' ')
    if (isNak(outcome))
      log.warn(
        { request, from, cause: ERROR_CAUSE[outcome.cause], why: outcome.why, attributes: names },
        REFUSED,
      )
    else
      for (const { session } of outcome) log.info({ request, from, user: session.user, id: session.id }, DONE)
  }
}

const DONE = 'dynamic authorization: carried out'
const REFUSED = 'dynamic authorization: refused'

/** The change that takes a change back. */
function undone(change: GrantChange, before: Grant): GrantChange {
  return Object.fromEntries(Object.keys(change).map(field => [field, before[field as keyof GrantChange]]))
}
