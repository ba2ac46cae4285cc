/** EAP-TLS against peers that speak it (Node's own TLS), in fragments, with either version, and against those that do not. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import type { Json } from '../../core/hooks/views.ts'
import { createProof } from '../../core/runtime/proof.ts'
import { startPlugin } from '../../core/testing/plugin-harness.ts'
import { aFolder } from '../../core/testing/samples.ts'
import { EAP_TYPE, encodeEap } from '../../core/wire/eap.ts'
import { namesOf } from '../../plugins/auth-eap-tls/certificate.ts'
import { Fragments } from '../../plugins/auth-eap-tls/fragments.ts'
import authEapTls from '../../plugins/auth-eap-tls/index.ts'
import {
  CA_PEM,
  CLIENT_KEY,
  CLIENT_PEM,
  SERVER_KEY,
  SERVER_PEM,
  STRANGER_KEY,
  STRANGER_PEM,
} from '../support/certificates.ts'
import { type EapMethod, EapPeer, EapTls, eapMd5 } from '../support/eap-peer.ts'

const USER = 'client'
const OWN = { ca: CA_PEM, cert: CLIENT_PEM, key: CLIENT_KEY, fragmentBytes: 1000 }
const MTU_BYTES = 1400

async function server(t: TestContext, more: object = {}) {
  const configDir = aFolder(t)
  const files = { 'ca.pem': CA_PEM, 'cert.pem': SERVER_PEM, 'key.pem': SERVER_KEY }
  for (const [name, pem] of Object.entries(files)) writeFileSync(join(configDir, name), pem, { mode: 0o600 })
  const options = { caFile: 'ca.pem', certFile: 'cert.pem', keyFile: 'key.pem', ...more }
  const plugin = await startPlugin(t, authEapTls, { options, configDir })
  const ask = async (packet: Uint8Array, user: string, mtuBytes: number, state?: Json) => {
    const proof = createProof({ method: 'eap', identity: user, packet, mtuBytes })
    const { verdict } = await plugin.authenticate(user, proof, state === undefined ? {} : { round: 1, state })
    return verdict
  }
  const login = async (method: EapMethod, { user = USER, mtuBytes = MTU_BYTES } = {}) => {
    const peer = new EapPeer(user, method)
    let packet = identity(user)
    let state: Json | undefined
    for (let rounds = 0; rounds < 64; rounds++) {
      const verdict = await ask(packet, user, mtuBytes, state)
      if (verdict?.kind !== 'continue') return { verdict, rounds }
      assert.ok('eap' in verdict && verdict.eap !== undefined)
      assert.ok(verdict.eap.length <= mtuBytes, `${verdict.eap.length} octets`)
      packet = await peer.respond(verdict.eap)
      state = JSON.parse(JSON.stringify(verdict.state))
    }
    return assert.fail('it never ends')
  }
  return { plugin, ask, login }
}

const identity = (user: string) =>
  encodeEap({ kind: 'response', identifier: 7, type: EAP_TYPE.IDENTITY, data: Buffer.from(user) })
const ACCEPTED = { kind: 'accept', user: USER }

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const)
  test(`${maxVersion}: whoever has a certificate of the CA is let in by its name`, async t => {
    const { login, plugin } = await server(t)
    const method = new EapTls({ ...OWN, maxVersion })
    assert.deepEqual((await login(method)).verdict, ACCEPTED)
    assert.equal(method.outcome, 'secure')
    assert.deepEqual(plugin.faults, [])
    assert.equal(plugin.clock.pending, 0, 'no deadline is left')
  })

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const)
  test(`${maxVersion}: links and peers that take little at a time get it in parts`, async t => {
    const { login } = await server(t)
    const method = new EapTls({ ...OWN, maxVersion, fragmentBytes: 100 })
    const { verdict, rounds } = await login(method, { mtuBytes: 150 })
    assert.deepEqual(verdict, ACCEPTED)
    assert.ok(rounds > 10 && method.fragments.sent > 5 && method.fragments.received > 5, `${rounds} rounds`)
  })

test('a stranger’s certificate, and none, is refused, with the reason', async t => {
  const { login } = await server(t)
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const stranger = new EapTls({ ...OWN, cert: STRANGER_PEM, key: STRANGER_KEY, maxVersion })
    const { verdict } = await login(stranger)
    assert.ok(
      verdict?.kind === 'reject' && /certificate is not accepted: /.test(verdict.reason),
      JSON.stringify(verdict),
    )
  }
})

test('a certificate is good for the names that it has, unless any will do', async t => {
  const { login } = await server(t)
  const { verdict } = await login(new EapTls(OWN), { user: 'root' })
  assert.deepEqual(verdict, { kind: 'reject', reason: 'the certificate is of client' })
  const lenient = await server(t, { identity: 'any' })
  assert.deepEqual((await lenient.login(new EapTls(OWN), { user: 'anonymous' })).verdict, ACCEPTED)
  const byEmail = await server(t, { names: ['email'] })
  const none = await byEmail.login(new EapTls(OWN))
  assert.deepEqual(none.verdict, { kind: 'reject', reason: 'the certificate has no name of a user (email)' })
})

test('names are taken as options have it, and none that hides another', () => {
  const names = (subject: string, subjectAltName: string) =>
    namesOf({ subject, subjectAltName }, ['email', 'dns', 'cn'])
  assert.deepEqual(names('O=x\nCN=alice', 'email:a@b, DNS:c.d, email:e@f'), ['a@b', 'e@f', 'c.d', 'alice'])
  assert.deepEqual(names('CN=x', 'URI:"http://h/, email:root@h"'), ['x'])
})

test('only its realms are its business', async t => {
  const { login } = await server(t, { realms: ['corp.example'] })
  assert.deepEqual(await login(new EapTls(OWN)), { verdict: undefined, rounds: 0 })
})

test('a peer without EAP-TLS is refused', async t => {
  const { login } = await server(t)
  const { verdict } = await login(eapMd5('x'))
  assert.ok(verdict?.kind === 'reject' && /no EAP-TLS/.test(verdict.reason))
})

test('a handshake that is given up, or unknown, is refused, and only so many are under way', async t => {
  const { ask, plugin } = await server(t, { handshakes: 1, handshakeMs: 5000 })
  const begun = await ask(identity(USER), USER, MTU_BYTES)
  assert.ok(begun?.kind === 'continue')
  const second = await ask(identity(USER), USER, MTU_BYTES)
  assert.equal(second?.kind, 'unavailable')
  await plugin.clock.advance(5001)
  const late = await ask(
    encodeEap({ kind: 'response', identifier: 8, type: 13, data: Uint8Array.of(0) }),
    USER,
    MTU_BYTES,
    begun.state,
  )
  assert.ok(late?.kind === 'reject' && /took too long/.test(late.reason))
  assert.equal((await ask(identity(USER), USER, MTU_BYTES))?.kind, 'continue', 'there is room again')
})

test('whatever comes in the place of TLS is refused, and lets nobody in', async t => {
  const { ask, plugin } = await server(t, { handshakes: 65_536 })
  const data = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.constantFrom(
      Uint8Array.of(),
      Uint8Array.of(0),
      Uint8Array.of(0x20),
      Uint8Array.of(0x80, 0, 0),
      Uint8Array.of(0x40, 22, 3, 1),
    ),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ data, type: fc.constantFrom(13, 13, 13, 3, 26) }), { maxLength: 5 }),
      async packets => {
        let state: Json | undefined
        let verdict = await ask(identity(USER), USER, MTU_BYTES)
        for (const { data: content, type } of packets) {
          if (verdict?.kind !== 'continue') break
          state = verdict.state
          verdict = await ask(
            encodeEap({ kind: 'response', identifier: 8, type, data: content }),
            USER,
            MTU_BYTES,
            state,
          )
        }
        assert.ok(verdict?.kind === 'continue' || verdict?.kind === 'reject', JSON.stringify(verdict))
      },
    ),
    { numRuns: 150 },
  )
  assert.deepEqual(plugin.faults, [])
})

test('parts are put together again, whatever fits into one; too much is too much', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 5000, size: 'max' }),
      fc.integer({ min: 60, max: 1500 }),
      (bytes, mtuBytes) => {
        const [ours, theirs] = [new Fragments(), new Fragments()]
        let packet = ours.say(bytes, mtuBytes)
        for (;;) {
          assert.ok(packet.length + 5 <= mtuBytes)
          const arrived = theirs.hear(packet, mtuBytes)
          if (arrived.kind === 'whole')
            return assert.deepEqual(Buffer.from(arrived.bytes), Buffer.from(bytes))
          assert.ok(arrived.kind === 'answer')
          const next = ours.hear(arrived.data, mtuBytes)
          assert.ok(next.kind === 'answer')
          packet = next.data
        }
      },
    ),
    { numRuns: 50 },
  )
  const fragments = new Fragments()
  const part = Uint8Array.of(0x40, ...new Uint8Array(1000))
  let arrived = fragments.hear(part, 1400)
  for (let parts = 1; parts < 70 && arrived.kind === 'answer'; parts++) arrived = fragments.hear(part, 1400)
  assert.ok(arrived.kind === 'wrong')
})

test('files that are not there, or do not fit together, are errors of the boot', async t => {
  const configDir = aFolder(t)
  for (const [name, pem] of Object.entries({
    'ca.pem': CA_PEM,
    'cert.pem': SERVER_PEM,
    'key.pem': CLIENT_KEY,
  }))
    writeFileSync(join(configDir, name), pem, { mode: 0o600 })
  const options = { caFile: 'ca.pem', certFile: 'cert.pem', keyFile: 'key.pem' }
  const code = { code: 'EAP_TLS_CONFIG' }
  await assert.rejects(startPlugin(t, authEapTls, { options, configDir }), code)
  await assert.rejects(
    startPlugin(t, authEapTls, { options: { ...options, keyFile: 'none.pem' }, configDir }),
    code,
  )
  writeFileSync(join(configDir, 'key.pem'), SERVER_KEY, { mode: 0o600 })
  await assert.rejects(
    startPlugin(t, authEapTls, { options: { ...options, crlFile: 'none.pem' }, configDir }),
    code,
  )
})
