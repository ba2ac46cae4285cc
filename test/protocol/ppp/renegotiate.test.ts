/** A user whom the method that LCP agreed on cannot verify: LCP asks once for another. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AuthMethod, Verdict } from '../../../core/protocol/outputs.ts'
import type { PppConfig } from '../../../core/protocol/ppp/link-env.ts'
import {
  type Answerer,
  answerer,
  CLIENT_CONFIG,
  GRANT,
  kinds,
  LNS_CONFIG,
  PASSWORD,
  pair,
  USER,
} from './harness.ts'

const ALL: readonly AuthMethod[] = ['mschapv2', 'chap-md5', 'pap']
const LNS: PppConfig = { ...LNS_CONFIG, demandAuth: ALL }
const CLIENT: PppConfig = { ...CLIENT_CONFIG, authAs: { user: USER, methods: ALL } }

/** Of a realm whose users can be verified by these alone. */
const verifying =
  (...methods: readonly AuthMethod[]): Answerer =>
  ask => {
    if (ask.kind !== 'authenticate' || methods.includes(ask.proof.method)) return answerer(ask)
    return { kind: 'renegotiate', methods, reason: `no ${ask.proof.method} here` }
  }

function dial(answer: Answerer, { lns = LNS, client = CLIENT } = {}) {
  const { wire, lns: server, client: peer } = pair({ config: lns, answer }, { config: client })
  wire.start()
  wire.run(60_000)
  return { server, peer, wire }
}

/** By which the peer proved itself, in order. */
const methodsOf = ({ asked }: ReturnType<typeof dial>['server']) =>
  asked.flatMap(ask => (ask.kind === 'authenticate' ? [ask.proof.method] : []))

for (const [only, demanded] of [
  ['pap', 'mschapv2'],
  ['chap-md5', 'mschapv2'],
  ['mschapv2', 'pap'],
] as const)
  test(`a user of a realm that verifies ${only} is asked for it after ${demanded}, and comes in`, () => {
    const order = [demanded, ...ALL.filter(method => method !== demanded)]
    const { server, peer } = dial(verifying(only), { lns: { ...LNS, demandAuth: order } })
    assert.deepEqual(methodsOf(server), [demanded, only])
    assert.deepEqual(server.network?.grant, GRANT)
    assert.ok(peer.network !== undefined)
    assert.deepEqual(kinds(server), [
      'authenticate',
      'authenticate',
      'authorize',
      'assignAddress',
      'decidePolicy',
    ])
  })

test('LCP is negotiated anew once: the second time it is a refusal, with the reason', () => {
  let turn = 0
  const never: Answerer = ask =>
    ask.kind === 'authenticate'
      ? { kind: 'renegotiate', methods: ALL.slice(++turn), reason: `turn ${turn}` }
      : answerer(ask)
  const { server, peer } = dial(never)
  assert.deepEqual(methodsOf(server), ['mschapv2', 'chap-md5'])
  assert.deepEqual([server.closed?.cause, server.closed?.text], ['auth-failed', 'turn 2'])
  assert.equal(peer.ups.length, 0)
  assert.ok(server.idle && peer.idle)
})

for (const [what, methods] of [
  ['no method', []],
  ['the method that was used', ['mschapv2']],
  ['a method that the config does not allow', ['eap']],
  ['what is no method', ['kerberos' as AuthMethod]],
] as const)
  test(`renegotiation for ${what} is a refusal`, () => {
    const verdict: Verdict<'authenticate'> = { kind: 'renegotiate', methods, reason: 'not so' }
    const { server } = dial(ask => (ask.kind === 'authenticate' ? verdict : answerer(ask)))
    assert.deepEqual(methodsOf(server), ['mschapv2'])
    assert.deepEqual([server.closed?.cause, server.closed?.text], ['auth-failed', 'not so'])
  })

test('a peer that has no other method than the one that was used is refused by LCP', () => {
  const client: PppConfig = { ...CLIENT, authAs: { user: USER, methods: ['mschapv2'] } }
  const { server } = dial(verifying('pap'), { client })
  assert.deepEqual(methodsOf(server), ['mschapv2'])
  assert.match(server.closed?.text ?? '', /refuses every authentication method that we offer/)
})

test('between the two nothing that proves anything is heard, and no method that was not agreed', () => {
  const { wire, lns: server } = pair({ config: LNS, answer: verifying('pap') }, { config: CLIENT })
  const login = Uint8Array.from(
    Buffer.from(
      `ff03c023 0109 00${(6 + USER.length + PASSWORD.length).toString(16).padStart(2, '0')} ${USER.length
        .toString(16)
        .padStart(2, '0')}${Buffer.from(USER).toString('hex')}${PASSWORD.length
        .toString(16)
        .padStart(2, '0')}${Buffer.from(PASSWORD).toString('hex')}`.replaceAll(' ', ''),
      'hex',
    ),
  )
  let early = 0
  wire.tamper = (frame, from) => {
    // With each frame of ours a login by PAP comes, which is agreed in the second round alone.
    if (from === server && server.link.lcp.state !== 'opened' && early < 20) {
      early++
      wire.inject(server, login)
    }
    return frame
  }
  wire.start()
  wire.run(60_000)
  assert.ok(early > 3, `${early}`)
  assert.deepEqual(methodsOf(server), ['mschapv2', 'pap'])
  assert.ok(server.drops.filter(reason => reason === 'ppp-phase').length >= early, `${server.drops}`)
})

test('what was said to one method is no answer to the next, and a state that was restored goes on the same', () => {
  for (const restoring of [false, true]) {
    const server = { config: LNS, answer: verifying('chap-md5') }
    const { wire, lns } = pair(server, { config: CLIENT }, { restoring })
    wire.start()
    wire.run(60_000)
    assert.deepEqual(methodsOf(lns), ['mschapv2', 'chap-md5'])
    const [first, second] = lns.asked.flatMap(ask => (ask.kind === 'authenticate' ? [ask.proof] : []))
    assert.ok(first?.method === 'mschapv2' && second?.method === 'chap-md5')
    assert.notDeepEqual(first.authenticatorChallenge, second.challenge)
    assert.ok(lns.network !== undefined)
    assert.equal(lns.said.filter(said => said.startsWith('LCP Configure-Request')).length, 2)
  }
})
