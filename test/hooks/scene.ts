import { Inquiry, type TapFault } from '../../core/hooks/guard.ts'
import { HookSet } from '../../core/hooks/hook-set.ts'
import type { Grant, SessionPolicy } from '../../core/protocol/outputs.ts'
import { createProof } from '../../core/runtime/proof.ts'
import { VirtualClock } from '../../core/testing/virtual-clock.ts'
import { SESSION } from '../support/session.ts'

export const LOGIN = {
  session: SESSION,
  user: 'hb@hb',
  proof: createProof({ method: 'pap', password: 'x' }),
  round: 0,
}
export const GRANT: Grant = { user: 'hb@hb' }
export const POLICY: SessionPolicy = { zone: 'dmz', rules: [] }
export const EVENT = { tunnel: SESSION.tunnel }

/** Hooks in virtual time, with what they reported and what came late. */
export function scene() {
  const clock = new VirtualClock()
  const faults: TapFault[] = []
  const hooks = new HookSet({ clock, report: fault => faults.push(fault) })
  const late: unknown[] = []
  const inquiry = new Inquiry((plugin, value) => late.push([plugin, value]))
  return { clock, faults, hooks, late, inquiry, by: (plugin: string) => hooks.ownedBy({ plugin }) }
}

export const verdictsOf = ({ trail }: Inquiry) => trail.map(({ plugin, verdict }) => `${plugin} ${verdict}`)
export const never = () => new Promise<never>(() => {})
