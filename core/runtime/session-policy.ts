import type { Inquiry } from '../hooks/guard.ts'
import { readOnly } from '../hooks/read-only.ts'
import type { Denial, Grant, Lease, SessionInfo, SessionPolicy } from '../protocol/outputs.ts'
import type { Binding } from './generations.ts'

/** Asks for the rules of a session's traffic: at a login, and again whenever it is granted something else. */
export function askPolicy(
  { generation, deployment }: Pick<Binding, 'generation' | 'deployment'>,
  inquiry: Inquiry,
  call: { readonly session: SessionInfo; readonly grant: Grant; readonly leases: readonly Lease[] },
): Promise<SessionPolicy | Denial> {
  const nothing = { zone: call.grant.zone ?? generation.defaultZone, rules: [] }
  return generation.host.hooksOf(deployment).refine('decidePolicy', inquiry, nothing, readOnly(call))
}
