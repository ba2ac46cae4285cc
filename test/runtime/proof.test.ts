import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { md5 } from '../../core/crypto.ts'
import type { Proof } from '../../core/hooks/views.ts'
import type { ProofData } from '../../core/protocol/outputs.ts'
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

for (const [name, data] of [
  ['PAP', PAP],
  ['CHAP', CHAP],
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
    const hex = Buffer.from('response' in data ? data.response : []).toString('hex') || PASSWORD
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

test('a proof gives its password or its CHAP values, by method, and as copies', () => {
  const [pap, chap]: readonly Proof[] = [createProof(PAP), createProof(CHAP)]
  assert.deepEqual([pap?.password(), pap?.chap()], [PASSWORD, undefined])
  assert.equal(chap?.password(), undefined)
  const values = chap?.chap()
  assert.deepEqual([values?.identifier, values?.challenge], [7, CHALLENGE])
  values?.challenge.fill(0)
  assert.equal(chap?.verify(PASSWORD), true)
})
