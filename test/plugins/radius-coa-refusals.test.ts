/** Why radius-coa refuses a request, by each Error-Cause: nothing is changed then. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RadiusAttribute } from '../../core/index.ts'
import { ERROR_CAUSE } from '../../plugins/radius-coa/nak.ts'
import { attribute, causeOf, TIMEOUT, twoUsers, USER, upSession } from '../support/coa.ts'

interface Refusal {
  readonly cause: keyof typeof ERROR_CAUSE
  readonly what: string
  readonly code?: 'Disconnect-Request'
  readonly attributes: readonly RadiusAttribute[]
  readonly options?: object
  readonly prepare?: (scene: Awaited<ReturnType<typeof twoUsers>>) => void
}

const sources = (accepts: string) => ({
  sources: [{ address: '127.0.0.0/8', secret: 'secret-of-the-billing', accepts: [accepts] }],
})

const REFUSALS: readonly Refusal[] = [
  {
    cause: 'unsupportedAttribute',
    what: 'what cannot be changed',
    attributes: [USER, attribute('Framed-MTU', 1200)],
  },
  {
    cause: 'unsupportedAttribute',
    what: 'an address',
    attributes: [USER, TIMEOUT, attribute('Framed-Pool', 'main')],
  },
  {
    cause: 'unsupportedAttribute',
    what: 'an attribute that nobody knows',
    attributes: [USER, attribute('Vendor-9999-Attr-1', Uint8Array.of(1))],
  },
  {
    cause: 'unsupportedAttribute',
    what: 'a change in a Disconnect-Request',
    code: 'Disconnect-Request',
    attributes: [USER, TIMEOUT],
  },
  {
    cause: 'unsupportedAttribute',
    what: 'Service-Type in a Disconnect-Request',
    code: 'Disconnect-Request',
    attributes: [USER, attribute('Service-Type', 17)],
  },
  { cause: 'missingAttribute', what: 'no session', attributes: [TIMEOUT] },
  { cause: 'missingAttribute', what: 'no change', attributes: [USER] },
  {
    cause: 'missingAttribute',
    what: 'a NAS and no session',
    code: 'Disconnect-Request',
    attributes: [attribute('NAS-Identifier', 'lns1')],
  },
  {
    cause: 'nasIdentificationMismatch',
    what: 'another NAS',
    attributes: [USER, TIMEOUT, attribute('NAS-Identifier', 'lns2')],
  },
  {
    cause: 'invalidRequest',
    what: 'octets that are no address',
    code: 'Disconnect-Request',
    attributes: [USER, attribute('Attr-8', Uint8Array.of(1, 2, 3))],
  },
  {
    cause: 'invalidRequest',
    what: 'octets that are no number',
    attributes: [USER, TIMEOUT, attribute('Attr-28', Uint8Array.of(1))],
  },
  {
    cause: 'unsupportedService',
    what: 'Authorize-Only',
    attributes: [USER, attribute('Service-Type', 'Authorize-Only')],
  },
  {
    cause: 'invalidAttributeValue',
    what: 'a rate that is none',
    attributes: [USER, attribute('Mikrotik-Rate-Limit', 'x')],
  },
  {
    cause: 'administrativelyProhibited',
    what: 'CoA by a source that may only disconnect',
    attributes: [USER, TIMEOUT],
    options: sources('disconnect'),
  },
  {
    cause: 'administrativelyProhibited',
    what: 'Disconnect by a source that may only change',
    code: 'Disconnect-Request',
    attributes: [USER],
    options: sources('coa'),
  },
  {
    cause: 'administrativelyProhibited',
    what: 'a change that a policy denies',
    attributes: [USER, TIMEOUT],
    prepare: ({ server }) => {
      server.decideRegrant = () => ({ denied: 'no such zone' })
    },
  },
  {
    cause: 'sessionContextNotFound',
    what: 'a session that is not there',
    attributes: [attribute('User-Name', 'eve'), TIMEOUT],
  },
  {
    cause: 'sessionContextNotFound',
    what: 'a session that leaves meanwhile',
    attributes: [USER, TIMEOUT],
    prepare: ({ server }) => {
      server.decideRegrant = () => 'gone'
    },
  },
  {
    cause: 'sessionContextNotRemovable',
    what: 'a session that does not end in time',
    code: 'Disconnect-Request',
    attributes: [USER],
    prepare: ({ server }) => {
      server.beforeEnd = () => Promise.reject(new Error('stuck'))
    },
  },
  {
    cause: 'resourcesUnavailable',
    what: 'more sessions than one request may be about',
    code: 'Disconnect-Request',
    attributes: [USER],
    prepare: ({ server }) => {
      server.up = Array.from({ length: 257 }, (_, last) => upSession('ann', last % 250))
    },
  },
  {
    cause: 'multipleSessionSelectionUnsupported',
    what: 'two sessions where that is to be refused',
    attributes: [attribute('User-Name', 'bob'), TIMEOUT],
    options: { severalSessions: 'refuse' },
  },
]

for (const { cause, what, code = 'CoA-Request', attributes, options = {}, prepare } of REFUSALS) {
  test(`Error-Cause ${ERROR_CAUSE[cause]}: ${what}, and nothing is changed`, async t => {
    const scene = await twoUsers(t, options)
    prepare?.(scene)
    const before = structuredClone(scene.server.up)
    const answer = await scene.ask(code, attributes)
    assert.equal(answer.code, code === 'CoA-Request' ? 'CoA-NAK' : 'Disconnect-NAK')
    assert.equal(causeOf(answer), ERROR_CAUSE[cause])
    assert.deepEqual(scene.server.up, before)
    assert.deepEqual(scene.server.ended, [])
    const line = scene.plugin.log.find(({ message }) => message === 'dynamic authorization: refused')
    assert.deepEqual([line?.level, line?.fields.cause], ['warn', ERROR_CAUSE[cause]])
  })
}

test('each Error-Cause has a test', () => {
  const tested = new Set(REFUSALS.map(({ cause }) => cause))
  assert.deepEqual([...tested].sort(), Object.keys(ERROR_CAUSE).sort())
})
