import assert from 'node:assert/strict'
import { test } from 'node:test'
import { textWithout } from '../../core/runtime/hidden.ts'

const HIDDEN = new Map([
  ['hunter2', '!env A'],
  ['hunter2hunter2', '!env B'],
  ['hb', '!env C'],
  ['quo"ted\\one', '!env D'],
])

for (const [text, shown] of [
  ['hunter2', '!env A'],
  ['no zone hunter2, no hunter2', 'no zone !env A, no !env A'],
  ['a longer one: hunter2hunter2', 'a longer one: !env B'],
  ['realm is "hb": expected x', 'realm is !env C: expected x'],
  ['hb', '!env C'],
  ['a short one may be a word: hbase', 'a short one may be a word: hbase'],
  ['is "quo\\"ted\\\\one"', 'is !env D'],
  ['as it is: quo"ted\\one', 'as it is: !env D'],
] as const) {
  test(`of ${text}, what is hidden is left out`, () => {
    assert.equal(textWithout(text, HIDDEN), shown)
  })
}
