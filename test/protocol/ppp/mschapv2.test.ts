/** RFC 2759 9.2 and the vectors of what it is made of. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { desEncrypt, md4, ntPasswordHash } from '../../../core/crypto.ts'
import type { Mschapv2Proof } from '../../../core/protocol/outputs.ts'
import {
  authenticatorResponse,
  mschapv2Response,
  proveByMschapv2,
} from '../../../core/protocol/ppp/mschapv2.ts'
import { createProof } from '../../../core/runtime/proof.ts'
import { hex } from './harness.ts'

const PASSWORD = 'clientPass'
const NT_HASH = hex('44EBBA8D5312B8D611474411F56989AE')
const RFC_2759: Mschapv2Proof = {
  method: 'mschapv2',
  identifier: 0,
  userName: 'User',
  authenticatorChallenge: hex('5B5D7C7D7B3F2F3E3C2C602132262628'),
  peerChallenge: hex('21402324255E262A28295F2B3A337C7E'),
  ntResponse: hex('82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF'),
}

const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

for (const [text, digest] of [
  ['', '31d6cfe0d16ae931b73c59d7e0c089c0'],
  ['a', 'bde52cb31de33e46245e05fbdbd6fb24'],
  ['abc', 'a448017aaf21d8525fc10ae87aa6729d'],
  ['message digest', 'd9130a8164549fe818874806e1c7014b'],
  ['abcdefghijklmnopqrstuvwxyz', 'd79e1c308aa5bbcdeea8ed63df412da9'],
  ['ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', '043f8582f241db351ce627e153e7f0e4'],
  ['1234567890'.repeat(8), 'e33b4ddc9c38f2199c3e7b164fcc0536'],
] as const) {
  test(`MD4 of "${text}" is as RFC 1320 A.5 has it`, () => {
    assert.equal(toHex(md4(Buffer.from(text))), digest)
  })
}

test('DES takes a key of 7 octets for the 56 bits of one with parity', () => {
  // FIPS 81 B: key 0123456789abcdef; its octets without their last bits.
  const bits = '0123456789abcdef'
    .replace(/../g, octet => Number.parseInt(octet, 16).toString(2).padStart(8, '0').slice(0, 7))
    .replace(/.{8}/g, octet => Number.parseInt(octet, 2).toString(16).padStart(2, '0'))
  assert.equal(toHex(desEncrypt(Buffer.from('Now is t'), hex(bits))), '3fa40e8a984d4815')
})

for (const [password, hash] of [
  ['clientPass', '44ebba8d5312b8d611474411f56989ae'],
  // RFC 2433 B.2.
  ['MyPw', 'fc156af7edcd6c0edde3337d427f4eac'],
  ['password', '8846f7eaee8fb117ad06bdd830b7586c'],
] as const) {
  test(`the NT hash of ${password}`, () => assert.equal(toHex(ntPasswordHash(password)), hash))
}

test('RFC 2759 9.2: the response of the peer and the answer to it', () => {
  assert.deepEqual(mschapv2Response(NT_HASH, RFC_2759), RFC_2759.ntResponse)
  assert.equal(authenticatorResponse(NT_HASH, RFC_2759), 'S=407A5589115FD0D6209F510FE9C04566932CDA56')
  assert.deepEqual(proveByMschapv2('User', PASSWORD, RFC_2759), RFC_2759)
})

test('a domain in front of the name is not hashed', () => {
  for (const user of ['EXAMPLE\\User', 'EXAMPLE\\UNIT\\User', '\\User'])
    assert.deepEqual(proveByMschapv2(user, PASSWORD, RFC_2759), RFC_2759)
})

test('an MS-CHAPv2 proof verifies by password or by NT hash, and no changed part of it does', () => {
  const proof = createProof(RFC_2759)
  assert.ok(proof.verify(PASSWORD) && proof.verifyNtHash(NT_HASH))
  for (const wrong of ['', 'ClientPass', 'clientPas', 'clientPass\0'])
    assert.ok(!proof.verify(wrong) && !proof.verifyNtHash(ntPasswordHash(wrong)), wrong)
  for (const length of [0, 15, 17, 21]) assert.ok(!proof.verifyNtHash(new Uint8Array(length)))
  for (const part of ['authenticatorChallenge', 'peerChallenge', 'ntResponse'] as const)
    for (const at of RFC_2759[part].keys()) {
      const bent = RFC_2759[part].slice()
      bent[at] = (bent[at] ?? 0) ^ 1
      assert.ok(!createProof({ ...RFC_2759, [part]: bent }).verify(PASSWORD), `${part} ${at}`)
    }
  assert.ok(!createProof({ ...RFC_2759, userName: 'user' }).verify(PASSWORD))
  assert.ok(!createProof({ ...RFC_2759, ntResponse: new Uint8Array(24) }).verify(PASSWORD))
  assert.ok(!createProof({ ...RFC_2759, ntResponse: RFC_2759.ntResponse.subarray(0, 23) }).verify(PASSWORD))
})
