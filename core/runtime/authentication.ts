/** One round of an authentication: what its taps are told of the rounds before, and what the core is told of their verdict. */
import type { Inquiry } from '../hooks/guard.ts'
import { readOnly } from '../hooks/read-only.ts'
import type { AuthenticateCall, AuthenticateVerdict } from '../hooks/views.ts'
import type { AuthExchange, Verdict } from '../protocol/outputs.ts'
import type { Json } from '../protocol/snapshot.ts'

/** From the second round on, only the plugin that went on is asked. */
export function beginRound(
  inquiry: Inquiry,
  continued: AuthExchange | undefined,
): Pick<AuthenticateCall, 'round' | 'state'> {
  if (continued === undefined) return { round: 0 }
  inquiry.only = continued.plugin
  return { round: continued.round, state: readOnly(JSON.parse(continued.state) as Json) }
}

/** For the throttle; undefined: nothing was found out, or not yet. */
export function provedRight(inquiry: Inquiry, verdict: AuthenticateVerdict | undefined): boolean | undefined {
  if (verdict?.kind === 'unavailable' || verdict?.kind === 'continue') return undefined
  if (inquiry.withdrawn || (verdict === undefined && unavailable(inquiry).length > 0)) return undefined
  return verdict?.kind === 'accept'
}

export function authenticated(
  inquiry: Inquiry,
  verdict: AuthenticateVerdict | undefined,
): Verdict<'authenticate'> {
  if (verdict === undefined) return { kind: 'deny', reason: silence(inquiry) }
  if (verdict.kind === 'accept') return { kind: 'accept', grant: { ...verdict.grant, user: verdict.user } }
  if (verdict.kind === 'continue') {
    const { reply, state } = verdict
    return { kind: 'continue', plugin: inquiry.answeredBy ?? '', reply, state: JSON.stringify(state) }
  }
  const { reason, message } = { message: undefined, ...verdict }
  return { kind: 'deny', reason, ...(message === undefined ? {} : { message }) }
}

/** Why nobody answered. */
function silence(inquiry: Inquiry): string {
  const { only, trail } = inquiry
  const out = unavailable(inquiry)
  if (out.length > 0) return `no plugin knows this user, and unavailable were: ${out.join(', ')}`
  if (only === undefined) return 'no plugin knows this user'
  const asked = trail.some(({ plugin }) => plugin === only)
  return asked
    ? `plugin ${only} began this exchange and did not go on`
    : `plugin ${only} began this exchange and is not there any more`
}

/** Who could not tell, and let the next plugin be asked. */
function unavailable({ trail }: Inquiry): readonly string[] {
  return trail.flatMap(({ plugin, verdict }) => (verdict === 'unavailable' ? [plugin] : []))
}
