import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { escapeText } from '../../core/wire/escape.ts'

test('text of a peer can neither forge a line nor reorder or hide text', () => {
  assert.equal(escapeText('a\nlevel=error\tb'), 'a\\nlevel=error\\tb')
  assert.equal(escapeText('\u001b[2Jx'), '\\u{1b}[2Jx')
  assert.equal(escapeText('user\u202egnp'), 'user\\u{202e}gnp')
  assert.equal(escapeText('\ud800\u2028'), '\\u{d800}\\u{2028}')
  assert.equal(escapeText('C:\\n'), 'C:\\\\n')
  assert.equal(escapeText('Grüße, 王'), 'Grüße, 王')
})

test('two texts that differ stay different when escaped', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.string({ unit: 'binary', maxLength: 20 }),
      (a, b) => {
        assert.equal(escapeText(a) === escapeText(b), a === b)
      },
    ),
  )
})

test('a long text is cut', () => {
  assert.equal(escapeText('x'.repeat(10_000)).length, 259)
})
