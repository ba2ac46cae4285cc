/** A static address or prefix belongs to its user: a session that still has it makes way when the user dials again. */
import type { AssignCall, Logger, ServerView, SessionInfo } from 'burrow'
import type { Options } from './config.ts'
import type { Holder } from './leases.ts'

/** A user without a name: nobody's address is remembered or replaced. */
export const NOBODY = ''
export const CONTENDED = 'is just changing hands; dial again'

export interface MakeWayParts {
  /** Our plugin's name, under which the server knows our leases. */
  readonly owner: string
  readonly options: Pick<Options, 'onStaticInUse'>
  readonly server: ServerView
  readonly log: Logger
}

/** Ends the session that holds `value` (which a dry run only names), or says why it does not. */
export async function makeWay(
  parts: MakeWayParts,
  value: string,
  holder: Holder,
  { grant: { user }, dryRun }: Pick<AssignCall, 'grant' | 'dryRun'>,
): Promise<{ readonly ended: SessionInfo } | { readonly no: string }> {
  const { owner, options, server, log } = parts
  if (holder.user !== user || user === NOBODY)
    return { no: `is in use by user ${JSON.stringify(holder.user)}; exclude what is static from the pools` }
  if (options.onStaticInUse === 'refuse') return { no: 'is in use by another session of the same user' }
  const session = server.sessionHolding({ owner, value })
  // Just given or just being freed: to end whatever has the session's key by now could hit another call.
  if (session === undefined || session.id !== holder.session) return { no: CONTENDED }
  if (dryRun) return { ended: session }
  log.info(
    { user, address: value, session: session.key, id: session.id },
    'same user dialled again: his old session ends',
  )
  try {
    await server.endSession(session.key, 'replaced', 'the user dialled again')
    return { ended: session }
  } catch (error) {
    return {
      no: `is in use by a session that does not end: ${error instanceof Error ? error.message : error}`,
    }
  }
}
