/** What the core is told of a verdict, by the method that the peer proves itself with. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ntPasswordHash } from '../../core/crypto.ts'
import type { AuthenticateCall, AuthenticateVerdict, Proof } from '../../core/hooks/views.ts'
import { authenticated } from '../../core/runtime/authentication.ts'
import { chapProof, eapProof, mschapv2Proof, papProof } from '../../core/testing/proofs.ts'
import { encodeEap } from '../../core/wire/eap.ts'
import { LOGIN, scene } from './scene.ts'

const SUCCESS_TEXT = `S=${'0123456789ABCDEF'.repeat(2)}01234567`
const ERROR_TEXT = `E=648 R=1 C=${'00'.repeat(16)} V=3 M=expired`
const request = (bytes: number) =>
  encodeEap({ kind: 'request', identifier: 2, type: 13, data: new Uint8Array(bytes - 5) })
const REQUEST = request(20)
const RESPONSE = encodeEap({ kind: 'response', identifier: 2, type: 13, data: new Uint8Array() })
const SUCCESS = encodeEap({ kind: 'success', identifier: 2 })
const FAILURE = encodeEap({ kind: 'failure', identifier: 2 })

/** What the core is told when a plugin decides so about a proof, and how often the plugin was at fault. */
async function told(proof: Proof, decide: (call: AuthenticateCall) => AuthenticateVerdict) {
  const { faults, hooks, by, inquiry } = scene()
  by('p').authenticate.tap('p', decide)
  const verdict = await hooks.ask('authenticate', inquiry, { ...LOGIN, proof })
  return { verdict: authenticated(inquiry, verdict, proof), faults: faults.length }
}

const accept = (more: object = {}) => ({ kind: 'accept', user: 'hb@hb', ...more }) as AuthenticateVerdict
const reject = (more: object = {}) => ({ kind: 'reject', reason: 'no', ...more }) as AuthenticateVerdict
const goOn = (more: object) => ({ kind: 'continue', state: 0, ...more }) as AuthenticateVerdict

test('a text for the peer goes with yes and with no', async () => {
  for (const proof of [papProof('x'), chapProof('x'), eapProof('hb@hb')]) {
    assert.deepEqual((await told(proof, () => accept({ message: 'hello' }))).verdict, {
      kind: 'accept',
      grant: { user: 'hb@hb' },
      message: 'hello',
    })
    assert.deepEqual((await told(proof, () => reject({ message: 'go' }))).verdict, {
      kind: 'deny',
      reason: 'no',
      message: 'go',
    })
  }
})

for (const [how, verify] of [
  ['password', (proof: Proof) => proof.verify('right')],
  ['NT hash', (proof: Proof) => proof.verifyNtHash(ntPasswordHash('right'))],
] as const) {
  test(`an MS-CHAPv2 proof that a ${how} verified proves us to the peer, without a word of the plugin`, async () => {
    const { verdict } = await told(mschapv2Proof('right'), ({ proof }) => {
      assert.ok(verify(proof))
      return accept()
    })
    assert.ok(verdict.kind === 'accept')
    assert.match(verdict.mschapv2 ?? '', /^S=[0-9A-F]{40}$/)
  })
}

test('what a directory elsewhere gave proves us to an MS-CHAPv2 peer', async () => {
  const { verdict } = await told(mschapv2Proof('right'), () => accept({ mschapv2Success: SUCCESS_TEXT }))
  assert.ok(verdict.kind === 'accept')
  assert.equal(verdict.mschapv2, SUCCESS_TEXT)
})

test('whoever accepts an MS-CHAPv2 peer without proving us to it is named, and the peer is not let in', async () => {
  const wrong = await told(mschapv2Proof('right'), ({ proof }) =>
    accept({ grant: { zone: String(proof.verify('x')) } }),
  )
  assert.ok(wrong.verdict.kind === 'deny')
  assert.match(wrong.verdict.reason, /^plugin p accepted without proving us/)
})

test('an MS-CHAPv2 error is told on', async () => {
  const { verdict } = await told(mschapv2Proof('right'), () => reject({ mschapv2Error: ERROR_TEXT }))
  assert.deepEqual(verdict, { kind: 'deny', reason: 'no', mschapv2: ERROR_TEXT })
})

for (const bad of [
  accept({ mschapv2Success: 'S=12' }),
  accept({ mschapv2Success: `${SUCCESS_TEXT}0` }),
  accept({ mschapv2Success: 5 }),
  reject({ mschapv2Error: 'no' }),
  accept({ eap: 'ff' }),
  goOn({ reply: 5 }),
  goOn({}),
]) {
  test(`nonsense for the peer is the fault of the plugin: ${JSON.stringify(bad)}`, async () => {
    const { verdict, faults } = await told(mschapv2Proof('right'), () => bad)
    assert.deepEqual([verdict.kind, faults], ['deny', 1])
  })
}

test('EAP goes on with the packet of the plugin, as a copy', async () => {
  const packet = Buffer.from(REQUEST)
  const { verdict } = await told(eapProof('hb@hb'), () => goOn({ eap: packet }))
  packet.fill(0)
  assert.deepEqual(verdict, { kind: 'continue', plugin: 'p', reply: REQUEST, state: '0' })
})

test('EAP ends with the packet of the plugin, or with none', async () => {
  for (const [verdict, eap] of [
    [accept({ eap: SUCCESS }), SUCCESS],
    [reject({ eap: FAILURE }), FAILURE],
    [accept(), undefined],
    [reject(), undefined],
  ] as const) {
    const { verdict: said } = await told(eapProof('hb@hb'), () => verdict)
    assert.deepEqual('eap' in said ? said.eap : undefined, eap)
    assert.equal(said.kind, verdict.kind === 'accept' ? 'accept' : 'deny')
  }
})

for (const [what, proof, verdict, reason] of [
  ['a Response to go on with', eapProof('hb@hb'), goOn({ eap: RESPONSE }), /no EAP request/],
  [
    'octets that are no EAP to go on with',
    eapProof('hb@hb'),
    goOn({ eap: Uint8Array.of(1) }),
    /no EAP request/,
  ],
  ['text to go on with', eapProof('hb@hb'), goOn({ reply: 'code?' }), /without an EAP Request/],
  ['a Failure with yes', eapProof('hb@hb'), accept({ eap: FAILURE }), /no EAP success/],
  ['a Success with no', eapProof('hb@hb'), reject({ eap: SUCCESS }), /no EAP failure/],
  ['more than the link carries', eapProof('hb@hb'), goOn({ eap: request(1501) }), /1501 octets.*1500/],
  ['EAP for a peer of PAP', papProof('x'), goOn({ eap: REQUEST }), /answered pap with an EAP packet/],
  [
    'EAP for a peer of CHAP',
    chapProof('x'),
    accept({ eap: SUCCESS }),
    /answered chap-md5 with an EAP packet/,
  ],
] as const) {
  test(`a plugin that gives ${what} is named, and the peer is not let in`, async () => {
    const { verdict: said } = await told(proof, () => verdict)
    assert.ok(said.kind === 'deny')
    assert.match(said.reason, /^plugin p /)
    assert.match(said.reason, reason)
  })
}

test('as much as the link carries goes out', async () => {
  assert.equal((await told(eapProof('hb@hb'), () => goOn({ eap: request(1500) }))).verdict.kind, 'continue')
})

test('where nobody answers for a user with EAP, the reason says what else may be wrong', async () => {
  const { inquiry } = scene()
  const verdict = authenticated(inquiry, undefined, eapProof('hb@hb'))
  assert.ok(verdict.kind === 'deny' && /speaks EAP/.test(verdict.reason))
})
