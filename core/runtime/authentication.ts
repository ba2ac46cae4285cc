/** One round of an authentication: what its taps are told of the rounds before, and what the core is told of their verdict. */
import type { Inquiry } from '../hooks/guard.ts'
import { readOnly } from '../hooks/read-only.ts'
import type { AuthenticateCall, AuthenticateVerdict, Proof } from '../hooks/views.ts'
import type { AuthExchange, Verdict } from '../protocol/outputs.ts'
import type { Json } from '../protocol/snapshot.ts'
import { decodeEap } from '../wire/eap.ts'
import { mschapv2SuccessOf } from './proof.ts'

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
  if (verdict !== undefined && UNDECIDED.has(verdict.kind)) return undefined
  if (inquiry.withdrawn || (verdict === undefined && unavailable(inquiry).length > 0)) return undefined
  return verdict?.kind === 'accept'
}

/** Neither right nor wrong. */
const UNDECIDED: ReadonlySet<AuthenticateVerdict['kind']> = new Set([
  'unavailable',
  'continue',
  'renegotiate',
])

export function authenticated(
  inquiry: Inquiry,
  verdict: AuthenticateVerdict | undefined,
  proof: Proof,
): Verdict<'authenticate'> {
  if (verdict === undefined) return { kind: 'deny', reason: silence(inquiry, proof) }
  const plugin = inquiry.answeredBy ?? ''
  const misfit = cannotBeTold(verdict, proof)
  if (misfit !== undefined) return { kind: 'deny', reason: `plugin ${plugin} ${misfit}` }
  switch (verdict.kind) {
    case 'accept': {
      const { user, grant, message, mschapv2Success = mschapv2SuccessOf(proof), eap } = verdict
      return {
        kind: 'accept',
        grant: { ...grant, user },
        ...given({ message, mschapv2: mschapv2Success, eap }),
      }
    }
    case 'continue': {
      const { reply = '', eap = reply, state } = verdict
      return { kind: 'continue', plugin, reply: eap, state: JSON.stringify(state) }
    }
    case 'reject': {
      const { reason, message, mschapv2Error, eap } = verdict
      return { kind: 'deny', reason, ...given({ message, mschapv2: mschapv2Error, eap }) }
    }
    case 'renegotiate': {
      const { methods, reason } = verdict
      return { kind: 'renegotiate', methods, reason }
    }
    case 'unavailable':
      return { kind: 'deny', reason: verdict.reason }
  }
}

const given = <T extends object>(fields: T) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>

/** The kind of EAP packet that goes with a verdict (RFC 3748 4). */
const EAP_KIND = { continue: 'request', accept: 'success', reject: 'failure' } as const

/** Why the peer's method has no way to tell it so; what a plugin did wrong, to go behind its name. */
function cannotBeTold(verdict: AuthenticateVerdict, proof: Proof): string | undefined {
  if (verdict.kind === 'unavailable' || verdict.kind === 'renegotiate') return undefined
  const { kind, eap } = verdict
  if (proof.method !== 'eap') {
    if (eap !== undefined) return `answered ${proof.method} with an EAP packet`
    const proven = kind !== 'accept' || (verdict.mschapv2Success ?? mschapv2SuccessOf(proof)) !== undefined
    return proof.method !== 'mschapv2' || proven ? undefined : NOT_PROVEN
  }
  if (eap === undefined) return kind === 'continue' ? 'went on without an EAP Request' : undefined
  if (decodeEap(eap)?.kind !== EAP_KIND[kind]) return `gave what is no EAP ${EAP_KIND[kind]} with its ${kind}`
  const { mtuBytes = 0 } = proof.eap() ?? {}
  return eap.length > mtuBytes
    ? `gave an EAP packet of ${eap.length} octets, and the link carries ${mtuBytes}`
    : undefined
}

const NOT_PROVEN =
  'accepted without proving us to the peer, as MS-CHAPv2 asks: proof.verify or proof.verifyNtHash does that, or mschapv2Success'

/** Why nobody answered. */
function silence(inquiry: Inquiry, { method }: Proof): string {
  const { only, trail } = inquiry
  const out = unavailable(inquiry)
  if (out.length > 0) return `no plugin knows this user, and unavailable were: ${out.join(', ')}`
  if (only === undefined) return method === 'eap' ? NOBODY_BY_EAP : 'no plugin knows this user'
  const asked = trail.some(({ plugin }) => plugin === only)
  return asked
    ? `plugin ${only} began this exchange and did not go on`
    : `plugin ${only} began this exchange and is not there any more`
}

const NOBODY_BY_EAP = 'no plugin knows this user, or none of those that do speaks EAP'

/** Who could not tell, and let the next plugin be asked. */
function unavailable({ trail }: Inquiry): readonly string[] {
  return trail.flatMap(({ plugin, verdict }) => (verdict === 'unavailable' ? [plugin] : []))
}
