import type { KeptEntry } from '../runtime/trail-record.ts'
import { table } from './table.ts'

const HEADS = ['TIME', 'HOOK', 'PLUGIN', 'VERDICT', 'MS', 'REASON']

/** Decisions as a table; `startedAt`: ISO 8601, what their times count from. */
export function decisionTable(startedAt: string, entries: readonly KeptEntry[]): string {
  const start = Date.parse(startedAt)
  return table(
    HEADS,
    entries.map(({ afterMs, hook, plugin, tap, verdict, ms, reason = '' }) => [
      localTime(start + afterMs).slice(11),
      hook,
      plugin === tap ? plugin : `${plugin} (${tap})`,
      verdict,
      ms.toFixed(1),
      reason,
    ]),
  )
}

/** `2026-01-31 12:00:00.000`, as the clock on the wall of this host has it. */
export function localTime(wallMs: number): string {
  const offsetMs = new Date(wallMs).getTimezoneOffset() * 60_000
  return new Date(wallMs - offsetMs).toISOString().replace('T', ' ').slice(0, -1)
}
