/** Authentication over several rounds, against peers that send exactly what a test says. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { md5 } from '../../../core/crypto.ts'
import type { ProofData, Verdict } from '../../../core/protocol/outputs.ts'
import { MOST_ROUNDS } from '../../../core/protocol/ppp/decisions.ts'
import { decodeChap } from '../../../core/wire/ppp-auth.ts'
import { decodePppFrame, PPP } from '../../../core/wire/ppp-frame.ts'
import { CP_CODE } from '../../../core/wire/ppp-options.ts'
import { type Answerer, answerer, GRANT, hex, LNS_CONFIG, PASSWORD, USER } from './harness.ts'
import { Peer } from './peer.ts'

const CODE = '123 456'
const PAP_NAK = 3
const PAP_ACK = 2
const CHAP_RESPONSE = 2
const CHAP_SUCCESS = 3
/** Within which a verdict comes. */
const DECIDED_MS = 10

/** Password, then `rounds` - 1 times a code. */
const inRounds =
  (rounds: number): Answerer =>
  ask => {
    if (ask.kind !== 'authenticate') return answerer(ask)
    const round = ask.continued?.round ?? 0
    if (!knows(ask.proof, round === 0 ? PASSWORD : `${CODE} ${round}`))
      return { kind: 'deny', reason: `wrong in round ${round}` }
    if (round + 1 === rounds) return { kind: 'accept', grant: GRANT }
    const { state } = ask.continued ?? { state: '[]' }
    return {
      kind: 'continue',
      plugin: 'otp',
      reply: `code ${round + 1}?`,
      state: JSON.stringify([...JSON.parse(state), round]),
    }
  }

function knows(proof: ProofData, secret: string): boolean {
  if (proof.method === 'pap') return proof.password === secret
  assert.equal(proof.method, 'chap-md5')
  const expected = md5(Uint8Array.of(proof.identifier), Buffer.from(secret), proof.challenge)
  return Buffer.compare(expected, proof.response) === 0
}

const ENDLESS: Answerer = ask =>
  ask.kind === 'authenticate'
    ? { kind: 'continue', plugin: 'otp', reply: 'again', state: '0' }
    : answerer(ask)
const NEVER: Answerer = ask => (ask.kind === 'authenticate' ? undefined : answerer(ask))

/** A peer that is asked to prove itself, by one method. */
interface Scripted {
  readonly peer: Peer
  /** Answers what is open, with an identifier as the RFC wants it. */
  readonly prove: (secret: string) => void
  /** The same again, as a peer does that heard nothing. */
  readonly repeat: () => void
  /** What it was told since the last look: its code, and its text where it has one. */
  readonly heard: () => string[]
  readonly accepted: string
  /** What asks for the next round. */
  readonly asked: (text: string) => string
}

function byPap(answer: Answerer): Scripted {
  const peer = new Peer({ config: { ...LNS_CONFIG, demandAuth: ['pap'] }, answer }).openLcp()
  peer.heard()
  let identifier = 0
  let last = ''
  const prove = (secret: string) => {
    last = secret
    peer.sendPap(USER, secret, ++identifier)
  }
  return {
    peer,
    prove,
    repeat: () => prove(last),
    heard: () =>
      peer
        .heard()
        .filter(({ protocol }) => protocol === PPP.PAP)
        .map(({ packet }) => {
          assert.equal(packet.identifier, identifier, "it answers the peer's last request")
          return `${packet.code} ${Buffer.from(packet.data).toString('utf8', 1)}`
        }),
    accepted: `${PAP_ACK} `,
    asked: text => `${PAP_NAK} ${text}`,
  }
}

function byChap(answer: Answerer): Scripted {
  const peer = new Peer({ config: { ...LNS_CONFIG, demandAuth: ['chap-md5'] }, answer }).openLcp()
  let response: readonly [identifier: number, data: Uint8Array] = [0, new Uint8Array()]
  const send = () => peer.send(PPP.CHAP, CHAP_RESPONSE, ...response)
  let seen = 0
  return {
    peer,
    prove: secret => {
      const { identifier, value } = challengesOf(peer).at(-1) ?? assert.fail('no challenge')
      const digest = md5(Uint8Array.of(identifier), Buffer.from(secret), value)
      response = [identifier, Uint8Array.from([digest.length, ...digest, ...Buffer.from(USER)])]
      peer.heard()
      seen = challengesOf(peer).length
      send()
    },
    repeat: send,
    heard: () => {
      const verdicts = peer
        .heard()
        .filter(({ protocol, packet }) => protocol === PPP.CHAP && packet.code >= CHAP_SUCCESS)
      const challenges = challengesOf(peer).slice(seen)
      seen += challenges.length
      return [
        ...challenges.map(() => 'challenge'),
        ...verdicts.map(({ packet }) => `${packet.code} ${Buffer.from(packet.data)}`),
      ]
    },
    accepted: `${CHAP_SUCCESS} `,
    asked: () => 'challenge',
  }
}

function challengesOf({ us }: Peer) {
  return us.sent.flatMap(bytes => {
    const frame = decodePppFrame(bytes)
    const packet = frame?.protocol === PPP.CHAP ? decodeChap(frame.payload) : undefined
    return packet?.kind === 'challenge' ? [packet] : []
  })
}

const authenticateAsks = ({ us }: Peer) => us.asked.flatMap(ask => (ask.kind === 'authenticate' ? [ask] : []))

for (const [name, scripted] of [
  ['PAP', byPap],
  ['CHAP', byChap],
] as const) {
  test(`${name}: a login of four rounds, each with what the plugin gave in the one before`, () => {
    const { peer, prove, heard, accepted, asked } = scripted(inRounds(4))
    prove(PASSWORD)
    for (let round = 1; round < 4; round++) {
      peer.wire.run(DECIDED_MS)
      assert.deepEqual(heard(), [asked(`code ${round}?`)])
      assert.equal(peer.us.link.phase, 'authenticate')
      prove(`${CODE} ${round}`)
    }
    peer.wire.run(100)
    assert.deepEqual(heard(), [accepted])
    const { phase, continued, proof } = peer.us.link
    assert.deepEqual([phase, continued, proof?.fingerprint], ['network', undefined, undefined])
    const told = { plugin: 'otp', user: USER }
    assert.deepEqual(
      authenticateAsks(peer).map(({ continued }) => continued),
      [
        undefined,
        { ...told, round: 1, state: '[0]' },
        { ...told, round: 2, state: '[0,1]' },
        { ...told, round: 3, state: '[0,1,2]' },
      ],
    )
    assert.deepEqual(peer.us.drops, [])
  })

  test(`${name}: a repetition in any round, while it is decided and after, asks nobody again`, () => {
    const { peer, prove, repeat, heard, accepted, asked } = scripted(inRounds(3))
    const rounds = [PASSWORD, `${CODE} 1`, `${CODE} 2`]
    for (const [round, secret] of rounds.entries()) {
      prove(secret)
      repeat()
      repeat()
      assert.deepEqual(heard(), [], 'nothing is said before the verdict')
      peer.wire.run(100)
      const said = round === 2 ? accepted : asked(`code ${round + 1}?`)
      assert.deepEqual(heard(), [said])
      repeat()
      // A response to a challenge that was replaced answers nothing any more.
      assert.deepEqual(heard(), name === 'PAP' || round === 2 ? [said] : [])
      assert.equal(authenticateAsks(peer).length, round + 1)
    }
    assert.equal(peer.us.link.phase, 'network')
    assert.deepEqual(peer.us.drops, name === 'PAP' ? [] : ['ppp-stale', 'ppp-stale'])
  })

  test(`${name}: a wrong answer in the second round ends the link as one in the first does`, () => {
    const { peer, prove, heard, asked } = scripted(inRounds(2))
    prove(PASSWORD)
    peer.wire.run(DECIDED_MS)
    assert.deepEqual(heard(), [asked('code 1?')])
    prove('000 000')
    peer.wire.run(DECIDED_MS)
    assert.equal(heard().length, 1)
    const { ending, continued, phase } = peer.us.link
    assert.deepEqual([ending?.cause, ending?.text, phase], ['auth-failed', 'wrong in round 1', 'terminate'])
    assert.equal(continued, undefined)
    peer.send(PPP.LCP, CP_CODE.TERMINATE_ACK, 1)
    peer.wire.run(60_000)
    assert.ok(peer.us.closed && peer.us.idle)
  })

  test(`${name}: an exchange without end is ended after ${MOST_ROUNDS} rounds`, () => {
    const { peer, prove } = scripted(ENDLESS)
    for (let round = 0; peer.us.link.ending === undefined; round++) {
      assert.ok(round < MOST_ROUNDS)
      prove(`answer ${round}`)
      peer.wire.run(DECIDED_MS)
    }
    assert.equal(authenticateAsks(peer).length, MOST_ROUNDS)
    assert.deepEqual([peer.us.link.ending.cause, peer.us.link.continued], ['auth-failed', undefined])
  })

  test(`${name}: the deadline of authentication is for all rounds`, () => {
    const { peer, prove } = scripted(ENDLESS)
    const step = LNS_CONFIG.authTimeoutMs / 10
    // CHAP gives up on a silent peer before that.
    for (let round = 0; round < 10; round++) {
      assert.equal(peer.us.link.ending, undefined)
      prove(`answer ${round}`)
      peer.wire.run(step)
    }
    assert.equal(peer.us.link.ending?.text, 'authentication took too long')
    assert.equal(peer.us.link.continued, undefined)
  })

  for (const [what, when] of [
    ['the second round is awaited', inRounds(3)],
    [
      'the second round is decided',
      (ask => (ask.kind === 'authenticate' && ask.continued ? undefined : inRounds(3)(ask))) as Answerer,
    ],
  ] as const) {
    const secondRound = () => {
      const scene = scripted(when)
      scene.prove(PASSWORD)
      scene.peer.wire.run(DECIDED_MS)
      scene.heard()
      if (what.endsWith('decided')) scene.prove(`${CODE} 1`)
      return scene
    }

    test(`${name}: a hang-up while ${what} leaves nothing`, () => {
      const { peer } = secondRound()
      peer.send(PPP.LCP, CP_CODE.TERMINATE_REQUEST, 9)
      peer.wire.run(60_000)
      assert.equal(peer.us.closed?.cause, 'peer-hangup')
      assert.ok(peer.us.idle)
      assert.equal(peer.us.link.continued, undefined)
    })

    test(`${name}: a session that is lost while ${what} leaves nothing`, () => {
      const { peer } = secondRound()
      peer.wire.lose(peer.us)
      assert.ok(peer.us.idle)
      assert.deepEqual([peer.us.link.continued, peer.us.link.pending], [undefined, undefined])
    })

    test(`${name}: a renegotiation while ${what} begins a new exchange`, () => {
      const { peer, prove } = secondRound()
      peer.send(PPP.LCP, CP_CODE.CONFIGURE_REQUEST, 0x63, '0506 0badcafe')
      assert.deepEqual([peer.us.link.continued, peer.us.pending.size], [undefined, 0])
      peer.acknowledge(PPP.LCP)
      assert.equal(peer.us.link.phase, 'authenticate')
      prove(PASSWORD)
      peer.wire.run(DECIDED_MS)
      assert.deepEqual(
        [authenticateAsks(peer).at(-1)?.continued, peer.us.link.continued?.round],
        [undefined, 1],
      )
    })
  }

  test(`${name}: a verdict on an earlier round, late, changes nothing`, () => {
    const { peer, prove } = scripted(NEVER)
    prove(PASSWORD)
    const [first = assert.fail()] = peer.us.pending.keys()
    const go: Verdict = { kind: 'continue', plugin: 'otp', reply: '', state: '0' }
    peer.wire.answer(peer.us, first, go)
    prove(CODE)
    peer.wire.answer(peer.us, first, { kind: 'accept', grant: GRANT })
    peer.wire.answer(peer.us, first, go)
    const { phase, continued } = peer.us.link
    assert.deepEqual([phase, continued?.round, peer.us.pending.size], ['authenticate', 1, 1])
  })
}

test('PAP: a request of an earlier round that comes late, while the next is decided, is not taken for an answer', () => {
  const { peer, prove, heard } = byPap(inRounds(2))
  prove(PASSWORD)
  peer.wire.run(DECIDED_MS)
  heard()
  peer.sendPap(USER, `${CODE} 1`, 40)
  peer.sendPap(USER, PASSWORD, 2)
  assert.deepEqual(peer.us.drops, ['ppp-stale'])
  peer.wire.run(100)
  const [ack] = peer.heard()
  assert.deepEqual([ack?.packet.code, ack?.packet.identifier], [PAP_ACK, 40])
})

test('PAP: the same answer twice in a row is a repetition: the next round is not begun by it', () => {
  const { peer, prove, heard, asked } = byPap(ENDLESS)
  for (let turn = 0; turn < 3; turn++) {
    prove('new PIN')
    peer.wire.run(DECIDED_MS)
    assert.deepEqual(heard(), [asked('again')])
  }
  assert.equal(authenticateAsks(peer).length, 1)
  prove('other PIN')
  peer.wire.run(DECIDED_MS)
  assert.equal(authenticateAsks(peer).length, 2)
})

test('PAP: name and password that share their letters in another way are no repetition', () => {
  const { peer } = byPap(ENDLESS)
  peer.sendPap('ab', 'cd', 1)
  peer.wire.run(DECIDED_MS)
  peer.sendPap('abc', 'd', 2)
  assert.equal(peer.us.link.ending?.text, 'another name than the exchange began with')
})

test('PAP: a long reply is cut to what the packet can carry', () => {
  const { peer, prove } = byPap(ask =>
    ask.kind === 'authenticate'
      ? { kind: 'continue', plugin: 'otp', reply: 'é'.repeat(1000), state: '0' }
      : answerer(ask),
  )
  prove(PASSWORD)
  peer.wire.run(DECIDED_MS)
  assert.equal(peer.heard()[0]?.packet.data.length, 256)
})

test('PAP: between rounds the state does not hold the password, and what it holds is salted', () => {
  const { peer, prove } = byPap(ENDLESS)
  prove(PASSWORD)
  peer.wire.run(DECIDED_MS)
  assert.ok(!JSON.stringify(peer.us.link).includes(PASSWORD))
  const before = peer.us.link.proof?.fingerprint?.digest
  peer.send(PPP.LCP, CP_CODE.CONFIGURE_REQUEST, 0x63, '0506 0badcafe')
  peer.acknowledge(PPP.LCP)
  prove(PASSWORD)
  assert.ok(before)
  assert.notDeepEqual(peer.us.link.proof?.fingerprint?.digest, before)
})

for (const [name, other] of [
  ['PAP', (peer: Peer) => peer.sendPap('root', CODE, 9)],
  [
    'CHAP',
    (peer: Peer) => {
      const { identifier = 0 } = challengesOf(peer).at(-1) ?? {}
      peer.send(
        PPP.CHAP,
        CHAP_RESPONSE,
        identifier,
        Uint8Array.from([16, ...new Uint8Array(16), ...Buffer.from('root')]),
      )
    },
  ],
] as const) {
  test(`${name}: whoever passed the first round cannot go on as another user`, () => {
    const { peer, prove } = (name === 'PAP' ? byPap : byChap)(inRounds(2))
    prove(PASSWORD)
    peer.wire.run(DECIDED_MS)
    other(peer)
    assert.equal(peer.us.link.ending?.text, 'another name than the exchange began with')
    assert.equal(authenticateAsks(peer).length, 1)
  })
}

test('CHAP: each round has another challenge and another identifier', () => {
  const { peer, prove } = byChap(ENDLESS)
  for (let round = 0; round < MOST_ROUNDS; round++) {
    prove(`answer ${round}`)
    peer.wire.run(DECIDED_MS)
  }
  const challenges = challengesOf(peer)
  assert.equal(challenges.length, MOST_ROUNDS)
  assert.equal(new Set(challenges.map(({ identifier }) => identifier)).size, MOST_ROUNDS)
  assert.equal(new Set(challenges.map(({ value }) => Buffer.from(value).toString('hex'))).size, MOST_ROUNDS)
})

test('CHAP: the challenge of a later round is repeated as the first is, and given up as the first is', () => {
  const { peer, prove } = byChap(ENDLESS)
  peer.wire.run(2 * LNS_CONFIG.restartTimerMs)
  prove(PASSWORD)
  peer.wire.run(DECIDED_MS)
  const before = challengesOf(peer).length
  peer.wire.run(LNS_CONFIG.restartTimerMs)
  const [last, again] = challengesOf(peer).slice(-2)
  assert.deepEqual([challengesOf(peer).length, again], [before + 1, last])
  peer.wire.run(LNS_CONFIG.maxConfigure * LNS_CONFIG.restartTimerMs)
  assert.equal(challengesOf(peer).length, before + LNS_CONFIG.maxConfigure - 1)
  assert.equal(peer.us.link.ending?.text, 'the peer does not answer our challenge')
})

test('CHAP: a peer that a late challenge took back to an earlier round is shown where we are, and gets its verdict', () => {
  const { peer, prove, repeat, heard } = byChap(inRounds(2))
  prove(PASSWORD)
  peer.wire.run(DECIDED_MS)
  const old = challengesOf(peer).at(-2) ?? assert.fail()
  prove(`${CODE} 1`)
  peer.wire.run(100)
  heard()
  peer.send(PPP.CHAP, CHAP_RESPONSE, old.identifier, hex(`10 ${'ab'.repeat(16)}`))
  assert.deepEqual(heard(), ['challenge'])
  assert.deepEqual(challengesOf(peer).at(-1), challengesOf(peer).at(-2))
  repeat()
  assert.deepEqual(heard(), [`${CHAP_SUCCESS} `])
  assert.equal(peer.us.link.phase, 'network')
})
