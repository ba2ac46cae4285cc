/** What auth-radius makes of the attributes of an accept, in one set of circumstances. */
import assert from 'node:assert/strict'
import type { RadiusAttribute } from '../../core/plugin/radius.ts'
import { aTunnel } from '../../core/testing/samples.ts'
import { type Granted, grantOf } from '../../plugins/auth-radius/grant.ts'
import { readDictionaries } from '../../plugins/radius-client/dictionaries/index.ts'

const DICTIONARY = readDictionaries()
const CIRCUMSTANCES = {
  tunnel: aTunnel(),
  taken: [
    { address: '192.168.1.254', length: 32 },
    { address: '10.9.0.0', length: 16 },
  ],
  zones: { staff: 'trust' },
  filterIsZone: false,
  routesNetmask: true,
}

export type Value = RadiusAttribute['value']
export type Given = readonly (readonly [name: string, value: Value, tag?: number])[]

export const judge = (given: Given, more: Partial<typeof CIRCUMSTANCES> = {}): Granted =>
  grantOf(
    given.map(([name, value, tag]) => ({ name, value, ...(tag === undefined ? {} : { tag }) })),
    { ...CIRCUMSTANCES, ...more },
    name => DICTIONARY.meant(name),
  )

export const grants = (given: Given, grant: object, more?: Partial<typeof CIRCUMSTANCES>) =>
  assert.deepEqual(judge(given, more), { kind: 'grant', grant, ignored: [] }, JSON.stringify(given))

export function refuses(given: Given, pattern: RegExp): void {
  const judged = judge(given)
  assert.equal(judged.kind, 'refuse', String(given))
  assert.match(judged.reason, pattern)
}

/** Nothing but this attribute is without effect. */
export function ignores(given: Given, pattern: RegExp): void {
  const judged = judge([...given, ['Session-Timeout', 60]])
  assert.equal(judged.kind, 'grant', String(given))
  assert.deepEqual(judged.grant, { sessionTimeoutS: 60 })
  assert.equal(judged.ignored.length, 1)
  assert.match(judged.ignored[0] ?? '', pattern)
}
