import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { md5, ntPasswordHash } from '../../core/crypto.ts'
import type { Proof } from '../../core/hooks/views.ts'
import type { ProofData } from '../../core/protocol/outputs.ts'
import { proveByMschapv2 } from '../../core/protocol/ppp/mschapv2.ts'
import { createProof } from '../../core/runtime/proof.ts'

const PASSWORD = 'admin@123'
const PAP: ProofData = { method: 'pap', password: PASSWORD }
const CHALLENGE = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
const CHAP: ProofData = {
  method: 'chap-md5',
  identifier: 7,
  challenge: CHALLENGE,
  response: md5(Uint8Array.of(7), new TextEncoder().encode(PASSWORD), CHALLENGE),
}
const CHALLENGES = {
  identifier: 7,
  authenticatorChallenge: new Uint8Array(16).fill(1),
  peerChallenge: new Uint8Array(16).fill(2),
}
const MSCHAPV2 = proveByMschapv2('DOM\\hb', PASSWORD, CHALLENGES)

for (const [name, data] of [
  ['PAP', PAP],
  ['CHAP', CHAP],
  ['MS-CHAPv2', MSCHAPV2],
] as const) {
  test(`a ${name} proof verifies the right secret only`, () => {
    const proof = createProof(data)
    assert.equal(proof.verify(PASSWORD), true)
    for (const wrong of ['', 'admin@12', 'admin@1234', 'Admin@123', 'admin@123\0']) {
      assert.equal(proof.verify(wrong), false, wrong)
    }
  })

  test(`a ${name} proof shows its method and nothing else, however it is printed`, () => {
    const proof = createProof(data)
    const { response } = {
      response: data.method === 'mschapv2' ? data.ntResponse : new Uint8Array(),
      ...data,
    }
    const hex = Buffer.from(response).toString('hex') || PASSWORD
    const prints = [
      inspect(proof, { showHidden: true, depth: 9 }),
      inspect({ call: { proof } }, { depth: 9, showProxy: true }),
      JSON.stringify({ proof }),
      `${proof}`,
      JSON.stringify({ ...proof }),
      String(Object.entries(proof)),
    ]
    for (const print of prints) {
      assert.ok(!print.includes(PASSWORD) && !print.includes(hex), print)
    }
    assert.deepEqual(JSON.parse(JSON.stringify({ proof })), { proof: { method: data.method } })
  })
}

test('a directory of NT hashes can verify PAP and MS-CHAPv2, and never CHAP', () => {
  const verdicts = (hash: Uint8Array) =>
    [PAP, MSCHAPV2, CHAP].map(data => createProof(data).verifyNtHash(hash))
  assert.deepEqual(verdicts(ntPasswordHash(PASSWORD)), [true, true, false])
  assert.deepEqual(verdicts(ntPasswordHash('wrong')), [false, false, false])
  assert.deepEqual(verdicts(new Uint8Array()), [false, false, false])
})

test('an MS-CHAPv2 proof gives what RADIUS needs, as copies', () => {
  const proof = createProof(MSCHAPV2)
  assert.deepEqual([proof.password(), proof.chap()], [undefined, undefined])
  const { method: _, ...parts } = MSCHAPV2
  assert.deepEqual(proof.mschapv2(), parts)
  assert.equal(parts.userName, 'hb')
  for (const part of ['authenticatorChallenge', 'peerChallenge', 'ntResponse'] as const)
    proof.mschapv2()?.[part].fill(0)
  assert.ok(proof.verify(PASSWORD))
})

test('a proof gives its password or its CHAP values, by method, and as copies', () => {
  const [pap, chap]: readonly Proof[] = [createProof(PAP), createProof(CHAP)]
  assert.deepEqual([pap?.password(), pap?.chap()], [PASSWORD, undefined])
  assert.equal(chap?.password(), undefined)
  assert.deepEqual([pap?.mschapv2(), chap?.mschapv2()], [undefined, undefined])
  const values = chap?.chap()
  assert.deepEqual([values?.identifier, values?.challenge], [7, CHALLENGE])
  values?.challenge.fill(0)
  assert.equal(chap?.verify(PASSWORD), true)
})
