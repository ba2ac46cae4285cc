/** What accounting-file wrote of the sessions of a test. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { until } from '../support/until.ts'

export interface AccountingRecord {
  readonly event: 'start' | 'stop'
  readonly session: string
  readonly user: string
  readonly address: string
  readonly octetsIn: number
  readonly octetsOut: number
  readonly cause: string
}

export function recordsOf(file: string): readonly AccountingRecord[] {
  if (!existsSync(file)) return []
  return readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line))
}

/** The Stop of the only session since there were `before` records: one Start, one Stop, of one session. */
export async function stopOf(
  file: string,
  before: number,
  address: string,
  log: () => string,
): Promise<AccountingRecord> {
  const since = () => recordsOf(file).slice(before)
  const [start, stop] = await until(
    'a Stop record',
    () => since().length >= 2 && since(),
    20_000,
    () => `\n${JSON.stringify(since())}\n${log()}`,
  )
  assert.deepEqual([start?.event, stop?.event], ['start', 'stop'])
  assert.equal(start?.session, stop?.session)
  assert.equal(start?.address, address)
  assert.ok(stop !== undefined)
  return stop
}
