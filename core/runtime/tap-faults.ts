import type { TapFault } from '../hooks/guard.ts'
import type { BoundedLog } from './bounded-log.ts'

const WHAT: Readonly<Record<TapFault['kind'], string>> = {
  threw: 'failed',
  late: 'did not answer in time',
  nonsense: 'answered nonsense',
}

/** Logs and counts the taps that misbehave: every call of a peer may make a broken plugin fail again. */
export function tapFaultsTo(log: BoundedLog): (fault: TapFault) => void {
  return ({ hook, plugin, tap, kind, error }) =>
    log.error(`plugin ${plugin} ${WHAT[kind]} in ${hook}`, { tap, ...(error === undefined ? {} : { error }) })
}
