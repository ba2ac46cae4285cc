/** MD5-Challenge and MSCHAPv2 as `auth-local` speaks them, and as any plugin can that knows passwords. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { ntPasswordHash } from '../../core/crypto.ts'
import type { Json } from '../../core/hooks/views.ts'
import { answerEapPassword, type EapPasswordMethod, type EapSecret } from '../../core/plugin/eap-password.ts'
import { createProof } from '../../core/runtime/proof.ts'
import { startPlugin } from '../../core/testing/plugin-harness.ts'
import { SeededRandom } from '../../core/testing/random.ts'
import { decodeEap, EAP_TYPE, encodeEap } from '../../core/wire/eap.ts'
import {
  decodeEapMschapv2,
  EAP_MSCHAPV2,
  type EapMschapv2,
  encodeEapMschapv2,
} from '../../core/wire/eap-mschapv2.ts'
import authLocal from '../../plugins/auth-local/index.ts'
import { type EapMethod, EapPeer, eapMd5, eapMschapv2 } from '../support/eap-peer.ts'

const USER = 'CORP\\alice'
const PASSWORD = 'clientPass'
const ALL = ['mschapv2', 'md5'] as const
const identity = (user: string) =>
  encodeEap({ kind: 'response', identifier: 7, type: EAP_TYPE.IDENTITY, data: Buffer.from(user) })

/** Plays it to the end: what that is, and how many rounds it took. */
async function play(
  method: EapMethod,
  secret: EapSecret = { password: PASSWORD },
  methods: readonly EapPasswordMethod[] = ALL,
) {
  const peer = new EapPeer(USER, method)
  const random = new SeededRandom(3)
  let packet = identity(USER)
  let state: Json | undefined
  for (let rounds = 0; rounds < 9; rounds++) {
    const round = {
      proof: { packet },
      secret,
      methods,
      random,
      serverName: 'lns',
      ...(state === undefined ? {} : { state }),
    }
    const verdict = answerEapPassword(round)
    if (verdict.kind !== 'continue') return { verdict, rounds, naks: peer.naks }
    packet = await peer.respond(verdict.eap)
    // As the core keeps it.
    state = JSON.parse(JSON.stringify(verdict.state))
  }
  return assert.fail('it never ends')
}

const RIGHT = { kind: 'right' }
const wrong = { kind: 'reject', reason: 'wrong password' }

test('MSCHAPv2: both sides prove that they know the password, by it or by its hash', async () => {
  assert.deepEqual(await play(eapMschapv2('alice', PASSWORD)), { verdict: RIGHT, rounds: 2, naks: 0 })
  assert.deepEqual(
    (await play(eapMschapv2(USER, PASSWORD), { ntHash: ntPasswordHash(PASSWORD) })).verdict,
    RIGHT,
  )
  assert.deepEqual((await play(eapMschapv2('alice', 'guess'))).verdict, wrong)
})

test('MD5: the peer alone does, and is asked where it declines what comes first', async () => {
  assert.deepEqual(await play(eapMd5(PASSWORD)), { verdict: RIGHT, rounds: 2, naks: 1 })
  assert.deepEqual(await play(eapMd5(PASSWORD), { password: PASSWORD }, ['md5']), {
    verdict: RIGHT,
    rounds: 1,
    naks: 0,
  })
  assert.deepEqual((await play(eapMd5('guess'))).verdict, wrong)
})

test('a peer that has none of the methods is refused: of the config, of the user, or twice declined', async () => {
  const none = {
    kind: 'reject',
    reason: 'the peer has none of the methods of EAP that this user can be verified by',
  }
  assert.deepEqual((await play(eapMd5(PASSWORD), { password: PASSWORD }, ['mschapv2'])).verdict, none)
  assert.deepEqual((await play(eapMd5(PASSWORD), { ntHash: ntPasswordHash(PASSWORD) })).verdict, none)
  assert.deepEqual((await play(eapMd5(PASSWORD), {}, ALL)).verdict, none)
  assert.deepEqual((await play({ type: 13, respond: data => data })).verdict, none)
})

test('whoever does not know the password is never let in, whatever it sends in whatever order', () => {
  const random = new SeededRandom(9)
  const octets = fc.uint8Array({ maxLength: 80 })
  const data = fc.oneof(
    octets,
    fc
      .record({
        peerChallenge: fc.uint8Array({ minLength: 16, maxLength: 16 }),
        ntResponse: fc.uint8Array({ minLength: 24, maxLength: 24 }),
      })
      .map(fields =>
        encodeEapMschapv2({ kind: 'response', identifier: 1, name: Buffer.from('alice'), ...fields }),
      ),
    fc.constantFrom(
      Uint8Array.of(3),
      Uint8Array.of(4),
      Uint8Array.of(16, ...new Uint8Array(16)),
      Uint8Array.of(0),
    ),
  )
  const packet = fc
    .record({ type: fc.constantFrom(1, 3, 3, 4, 26, 26, 13), data, identifier: fc.nat(255) })
    .map(fields => encodeEap({ kind: 'response', ...fields }))
  fc.assert(
    fc.property(fc.array(fc.oneof({ weight: 9, arbitrary: packet }, octets), { maxLength: 8 }), packets => {
      let state: Json | undefined
      for (const one of [identity(USER), ...packets]) {
        const round = { secret: { password: PASSWORD }, methods: ALL, random, serverName: 'lns' }
        const verdict = answerEapPassword({
          ...round,
          proof: { packet: one },
          ...(state === undefined ? {} : { state }),
        })
        assert.notEqual(verdict.kind, 'right')
        if (verdict.kind !== 'continue') return
        state = verdict.state
      }
    }),
    { numRuns: 2000 },
  )
})

test('packets of MSCHAPv2 are read as they were written', () => {
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
  const text = fc.uint8Array({ maxLength: 40 })
  const identifier = fc.nat(255)
  const packet: fc.Arbitrary<EapMschapv2> = fc.oneof(
    fc.record(
      { kind: fc.constant('challenge' as const), identifier, challenge: bytes(16), name: text },
      { noNullPrototype: true },
    ),
    fc.record(
      {
        kind: fc.constant('response' as const),
        identifier,
        peerChallenge: bytes(16),
        ntResponse: bytes(24),
        name: text,
      },
      { noNullPrototype: true },
    ),
    fc.record(
      { kind: fc.constant('success' as const), identifier, message: text },
      { noNullPrototype: true },
    ),
    fc.record(
      { kind: fc.constant('failure' as const), identifier, message: text },
      { noNullPrototype: true },
    ),
    fc.constantFrom<EapMschapv2>({ kind: 'success-noted' }, { kind: 'failure-noted' }),
  )
  fc.assert(
    fc.property(packet, given => assert.deepEqual(decodeEapMschapv2(encodeEapMschapv2(given)), given)),
  )
  fc.assert(fc.property(fc.uint8Array({ maxLength: 70 }), data => void decodeEapMschapv2(data)))
})

test('the numbers of a Request of MSCHAPv2, the length within among them', () => {
  const verdict = answerEapPassword({
    proof: { packet: identity(USER) },
    secret: { password: PASSWORD },
    methods: ALL,
    random: { bytes: count => new Uint8Array(count).fill(0xab) },
    serverName: 'lns',
  })
  assert.ok(verdict.kind === 'continue')
  assert.equal(
    Buffer.from(verdict.eap).toString('hex'),
    `0108001d1a01080018 10${'ab'.repeat(16)}6c6e73`.replaceAll(' ', ''),
  )
  const packet = decodeEap(verdict.eap)
  assert.ok(packet !== undefined && 'type' in packet && packet.type === EAP_MSCHAPV2)
})

const eapProof = (packet: Uint8Array, user: string) =>
  createProof({ method: 'eap', identity: user, packet, mtuBytes: 1400 })

async function local(t: TestContext, more: object = {}) {
  const users = [
    { user: 'alice', password: PASSWORD, zone: 'staff' },
    {
      user: 'hashed',
      passwordHash:
        '$scrypt$ln=15,r=8,p=1$l8/jb01McLYrRtvsCXGekA$gWjpwzZaW+tekDX/E1axTbHuTVAq3jyuafQ1tCkTVFA',
    },
  ]
  const plugin = await startPlugin(t, authLocal, { options: { users, ...more } })
  const login = async (user: string, method: EapMethod) => {
    const peer = new EapPeer(user, method)
    let packet = identity(user)
    let state: Json | undefined
    for (let round = 0; ; round++) {
      const { verdict } = await plugin.authenticate(user, eapProof(packet, user), {
        round,
        ...(state === undefined ? {} : { state }),
      })
      if (verdict?.kind !== 'continue') return verdict
      assert.ok('eap' in verdict && verdict.eap !== undefined)
      packet = await peer.respond(verdict.eap)
      state = verdict.state
    }
  }
  return { login, plugin }
}

test('auth-local lets its users in by either, with their grant', async t => {
  const { login, plugin } = await local(t)
  for (const method of [eapMschapv2('alice', PASSWORD), eapMd5(PASSWORD)])
    assert.deepEqual(await login('alice', method), {
      kind: 'accept',
      user: 'alice',
      grant: { zone: 'staff' },
    })
  assert.deepEqual(await login('alice', eapMschapv2('alice', 'guess')), wrong)
  assert.equal(await login('bob', eapMd5('x')), undefined, 'not listed: the next plugin is asked')
  const hashed = await login('hashed', eapMd5('wonderland'))
  assert.ok(hashed?.kind === 'reject' && /passwordHash/.test(hashed.reason))
  assert.deepEqual([...(plugin.host.verifies([undefined]) ?? [])].sort(), [
    'chap-md5',
    'eap',
    'mschapv2',
    'pap',
  ])
  assert.deepEqual(plugin.faults, [])
})

test('without methods of EAP auth-local passes it on', async t => {
  const { login, plugin } = await local(t, { eapMethods: [] })
  assert.equal(await login('alice', eapMd5(PASSWORD)), undefined)
  assert.ok(plugin.host.verifies([undefined])?.has('eap') !== true)
})
