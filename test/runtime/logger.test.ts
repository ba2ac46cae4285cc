import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BurrowError } from '../../core/errors.ts'
import { createLogger } from '../../core/runtime/node/logger.ts'

for (const format of ['json', 'pretty'] as const) {
  test(`a ${format} log line stays one line whatever a field holds`, () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), text => {
        const lines: string[] = []
        const log = createLogger({ format, write: line => lines.push(line) })
        log.info({ user: text, nested: { host: [text] } }, `message ${text}`)
        assert.equal(lines.length, 1)
        assert.equal(lines[0]?.split(/[\n\r\u2028\u2029]/).length, 2)
      }),
      { numRuns: 50 },
    )
  })
}

test('a line below the level costs nothing and writes nothing', () => {
  const lines: string[] = []
  const log = createLogger({ level: 'warn', format: 'json', write: line => lines.push(line) })
  const fields = {
    get expensive() {
      throw new Error('read')
    },
  }
  log.info(fields, 'not written')
  log.child({ plugin: 'p' }).warn({ octets: 7n, key: Uint8Array.of(1, 255) }, 'written')
  const { level, plugin, octets, key, msg } = JSON.parse(lines.join(''))
  assert.deepEqual(
    { level, plugin, octets, key, msg },
    { level: 40, plugin: 'p', octets: 7, key: '01ff', msg: 'written' },
  )
})

test('an error keeps its code, message and cause', () => {
  const lines: string[] = []
  const log = createLogger({ format: 'json', write: line => lines.push(line) })
  log.error({ error: new BurrowError('NO_TUN', 'gone', {}, { cause: new Error('EPERM') }) }, 'failed')
  const { error } = JSON.parse(lines.join(''))
  assert.equal(error.code, 'NO_TUN')
  assert.equal(error.cause.message, 'EPERM')
})
