import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type CallFacts,
  type Deployment,
  type DeploymentConditions,
  deploymentOf,
  realmOf,
} from '../../core/plugin/deployment.ts'

const deployment = (name: string, when: DeploymentConditions): Deployment => ({ name, when, place: {} })
const FACTS: CallFacts = {
  peerAddress: '10.1.2.3',
  peerHostName: 'Branch-7',
  secretName: 'branch',
  user: 'a@HB',
}
const fits = (when: DeploymentConditions, facts: CallFacts = FACTS) =>
  deploymentOf([deployment('x', when)], facts) === 'x'

for (const [user, realm] of [
  ['hb@hb', 'hb'],
  ['a@b@Example.ORG', 'example.org'],
  ['CORP\\user', 'corp'],
  ['CORP\\user@hb', 'hb'],
  ['user', ''],
  ['user@', ''],
  ['\\user', ''],
  ['', ''],
] as const) {
  test(`the realm of ${JSON.stringify(user)} is ${JSON.stringify(realm)}`, () => {
    assert.equal(realmOf(user), realm)
  })
}

for (const [what, when, without] of [
  ['realm', { realm: ['x', 'hb'] }, { user: 'a@other' }],
  ['peer', { peer: [{ first: 0x0a01_0203, last: 0x0a01_0203 }] }, { peerAddress: '10.1.2.4' }],
  ['host name', { hostName: ['lac', 'branch-*'] }, { peerHostName: 'Branches' }],
  ['secret', { secret: ['branch'] }, { secretName: 'hq' }],
] as const) {
  test(`a condition on the ${what} holds for a call that fits, and for no other`, () => {
    assert.equal(fits(when), true)
    assert.equal(fits(when, { ...FACTS, ...without }), false)
  })
}

test('what is not known yet fits no condition, and a call without a realm the empty one', () => {
  const { user: _, secretName: __, ...early } = FACTS
  assert.equal(fits({ realm: [''] }, early), false)
  assert.equal(fits({ secret: ['branch'] }, early), false)
  assert.equal(fits({ realm: [''] }, { ...FACTS, user: 'a' }), true)
  assert.equal(fits({ peer: [{ first: 0, last: 0xffff_ffff }] }, { ...FACTS, peerAddress: 'x' }), false)
})

test('all conditions must hold; the first deployment that fits has the call, or none', () => {
  assert.equal(fits({ realm: ['hb'], secret: ['branch'] }), true)
  assert.equal(fits({ realm: ['hb'], secret: ['hq'] }), false)
  const [no, first, every] = [
    deployment('no', { realm: ['x'] }),
    deployment('first', { realm: ['hb'] }),
    deployment('every', {}),
  ]
  assert.equal(deploymentOf([no, first, every], FACTS), 'first')
  assert.equal(deploymentOf([every, first], FACTS), 'every')
  assert.equal(deploymentOf([no], FACTS), undefined)
  assert.equal(deploymentOf([], FACTS), undefined)
})

test('a pattern matches what the same expression matches', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*'), maxLength: 12 })
  fc.assert(
    fc.property(text, text, (pattern, name) => {
      const expression = new RegExp(
        `^${pattern
          .split('*')
          .map(part => part.replaceAll('.', '\\.'))
          .join('[^]*')}$`,
      )
      assert.equal(fits({ hostName: [pattern] }, { ...FACTS, peerHostName: name }), expression.test(name))
    }),
    { numRuns: 5000 },
  )
})

test('a pattern of many stars is matched in no time', () => {
  const pattern = `${'*a'.repeat(200)}b`
  assert.equal(fits({ hostName: [pattern] }, { ...FACTS, peerHostName: 'a'.repeat(1000) }), false)
})
