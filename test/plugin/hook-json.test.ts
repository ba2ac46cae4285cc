import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BurrowError } from '../../core/errors.ts'
import { HOOKS, type HookName } from '../../core/hooks/hooks.ts'
import { HOOK_NAMES, hookRequest, hookVerdict, parseHookAnswer } from '../../core/plugin/hook-json.ts'
import { chapProof, eapProof, mschapv2Proof, papProof } from '../../core/testing/proofs.ts'
import { anEnd, aSession } from '../../core/testing/samples.ts'

const ofKind = (kind: string) => HOOK_NAMES.filter(hook => HOOKS[hook].kind === kind)
const codeOf = (run: () => unknown) => {
  try {
    run()
  } catch (error) {
    return (error as BurrowError).code
  }
  return assert.fail('it did not throw')
}

test('a request is plain data: what JSON cannot hold is left out, counters are numbers, bytes are hex', () => {
  const { signal } = new AbortController()
  const call = {
    signal,
    session: aSession(),
    gone: undefined,
    run: () => {},
    bytes: Uint8Array.of(0, 255),
    many: [2n ** 53n - 1n],
  }
  const request = hookRequest('sessionUpdate', 'id', call)
  const { session } = call
  assert.deepEqual(request, {
    v: 1,
    id: 'id',
    hook: 'sessionUpdate',
    session,
    bytes: '00ff',
    many: [2 ** 53 - 1],
  })
  assert.deepEqual(JSON.parse(JSON.stringify(request)), request)
  assert.doesNotThrow(() => JSON.stringify(hookRequest('sessionDown', 'id', anEnd(aSession()))))
})

test('a proof is opened for authenticate, and for no other hook', () => {
  assert.deepEqual(hookRequest('authenticate', 'id', { proof: papProof('pw') }).proof, {
    method: 'pap',
    password: 'pw',
  })
  const { method, ...rest } = hookRequest('authenticate', 'id', { proof: chapProof('pw') }).proof as Record<
    string,
    unknown
  >
  assert.equal(method, 'chap-md5')
  assert.deepEqual(Object.keys(rest), ['identifier', 'challenge', 'response'])
  assert.deepEqual(hookRequest('authenticate', 'id', { proof: eapProof('hb@hb') }).proof, {
    method: 'eap',
    identity: 'hb@hb',
    packet: '0201000a016862406862',
    mtuBytes: 1500,
  })
  const mschapv2 = hookRequest('authenticate', 'id', { proof: mschapv2Proof('pw', 'DOM\\hb') })
    .proof as object
  assert.deepEqual(Object.keys(mschapv2), [
    'method',
    'identifier',
    'userName',
    'authenticatorChallenge',
    'peerChallenge',
    'ntResponse',
  ])
  for (const hook of HOOK_NAMES.filter(name => name !== 'authenticate')) {
    assert.ok(!JSON.stringify(hookRequest(hook, 'id', { proof: papProof('pw') })).includes('proof'))
  }
})

test('a dry run and whatever else a call carries is in its request', () => {
  assert.equal(hookRequest('authenticate', 'id', { dryRun: true, state: { round: 2 } }).dryRun, true)
})

test('the value of a waterfall stands beside its call', () => {
  const { value, grant } = hookRequest(
    'decidePolicy',
    'id',
    { grant: { user: 'u' } },
    { zone: 'dmz', rules: [] },
  )
  assert.deepEqual([value, grant], [{ zone: 'dmz', rules: [] }, { user: 'u' }])
})

test('null, an empty text and an empty object pass; everything is nothing to an observer', () => {
  for (const hook of [...ofKind('first-answer'), ...ofKind('waterfall')]) {
    for (const nothing of [null, undefined, '', {}]) assert.equal(hookVerdict(hook, nothing), undefined)
    assert.deepEqual(hookVerdict(hook, { kind: 'what', ever: 1 }), { kind: 'what', ever: 1 })
  }
  for (const hook of ofKind('observer')) assert.equal(hookVerdict(hook, { rules: 1 }), undefined)
})

test('an answer that is no JSON is told without a word of it', () => {
  assert.equal(parseHookAnswer(' \n'), null)
  assert.deepEqual(parseHookAnswer('{"a":1}\n'), { a: 1 })
  assert.throws(
    () => parseHookAnswer('password: hunter2'),
    (error: BurrowError) =>
      error.code === 'HOOK_ANSWER' && !`${error.stack} ${error.cause}`.includes('hunter2'),
  )
})

const PERMIT = { action: 'permit', direction: 'from-session', name: 'all' }

test('an EAP packet is read from hex, and what is none is told by its name alone', () => {
  const verdict = hookVerdict('authenticate', { kind: 'continue', eap: '0102FF', state: 1 })
  assert.deepEqual(verdict, { kind: 'continue', eap: Uint8Array.of(1, 2, 255), state: 1 })
  for (const eap of ['0', 'xy', '01 02', 5, null, [1]])
    assert.equal(
      codeOf(() => hookVerdict('authenticate', { kind: 'continue', eap, state: 1 })),
      'HOOK_ANSWER',
    )
})

test('rules are taken as they are, with every condition', () => {
  const rules = [
    PERMIT,
    {
      ...PERMIT,
      source: [{ address: '10.0.0.0', length: 8 }],
      destination: [],
      protocol: 6,
      destinationPorts: [{ from: 1, to: 2 }],
    },
  ]
  assert.deepEqual(hookVerdict('decidePolicy', { zone: 'dmz', rules }), { zone: 'dmz', rules })
})

for (const [what, rule] of [
  ['a condition that is misspelt', { ...PERMIT, dest: [] }],
  ['a protocol by name', { ...PERMIT, protocol: 'tcp' }],
  ['ports that are no ranges', { ...PERMIT, protocol: 6, destinationPorts: [80] }],
  ['prefixes as text', { ...PERMIT, source: ['10.0.0.0/8'] }],
  ['an action that is none', { ...PERMIT, action: 'allow' }],
  ['no direction', { action: 'deny', name: 'x' }],
  ['null', null],
] as const) {
  test(`a rule with ${what} would match more, or less, than was meant: HOOK_ANSWER`, () => {
    assert.equal(
      codeOf(() => hookVerdict('decidePolicy' satisfies HookName, { zone: 'dmz', rules: [PERMIT, rule] })),
      'HOOK_ANSWER',
    )
  })
}
