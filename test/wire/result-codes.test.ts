import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  CDN_RESULTS,
  describeResult,
  GENERAL_ERRORS,
  PPP_DISCONNECT_CAUSES,
  STOPCCN_RESULTS,
} from '../../core/wire/result-codes.ts'

const upTo = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, at) => String(first + at))

test('every code of RFC 2661 4.4.2 and RFC 3145 3 has a text of its own', () => {
  for (const [table, codes] of [
    [STOPCCN_RESULTS, upTo(1, 7)],
    [CDN_RESULTS, upTo(1, 11)],
    [GENERAL_ERRORS, upTo(0, 8)],
    [PPP_DISCONNECT_CAUSES, upTo(0, 20)],
  ] as const) {
    assert.deepEqual(Object.keys(table), codes)
    assert.equal(new Set(Object.values(table)).size, codes.length)
  }
})

test('a result is described after its message, with the error where there is one', () => {
  assert.equal(describeResult('StopCCN', 4), '4 (requester is not authorized to establish a control channel)')
  assert.equal(describeResult('CDN', 4), '4 (no appropriate facilities available (temporary))')
  assert.equal(
    describeResult('StopCCN', 2, 8),
    '2 (general error), error 8 (an unknown AVP or message with the M bit set)',
  )
  assert.equal(describeResult('CDN', 3, 0), describeResult('CDN', 3))
  assert.equal(describeResult('StopCCN', 8, 99), '8 (unknown result), error 99 (unknown error)')
})
