import assert from 'node:assert/strict'
import test from 'node:test'
import type { AuthMethod } from '../../../core/protocol/outputs.ts'
import type { PppConfig } from '../../../core/protocol/ppp/link-env.ts'
import {
  type Answerer,
  answerer,
  CHAIN,
  CLIENT_ADDRESS,
  CLIENT_CONFIG,
  deny,
  except,
  GRANT,
  kinds,
  LEASE,
  LNS_ADDRESS,
  LNS_CONFIG,
  POLICY,
  pair,
} from './harness.ts'

const METHODS: readonly AuthMethod[] = ['pap', 'chap-md5', 'mschapv2', 'eap']
/** What a client makes of a refusal and its text. */
const TOLD: Readonly<Record<AuthMethod, (message: string) => string>> = {
  pap: message => message,
  'chap-md5': message => message,
  mschapv2: message => `wrong name or password: ${message}`,
  // It has no room for a text.
  eap: () => 'the peer refused our name or password',
}
/** The decisions of an LNS: EAP takes two rounds. */
const chainOf = (method: AuthMethod) => (method === 'eap' ? ['authenticate', ...CHAIN] : CHAIN)

const demanding = (...demandAuth: AuthMethod[]): PppConfig => ({ ...LNS_CONFIG, demandAuth })

for (const method of METHODS) {
  test(`a client dials with ${method} and both ends agree on addresses, DNS and MTU`, () => {
    const { wire, lns, client } = pair({ config: demanding(method) })
    wire.start()
    wire.run(1000)
    const common = { dns: GRANT.dns, nbns: [], mtuBytes: 1400, sendAcfc: true, sendPfc: true }
    assert.deepEqual(lns.network, {
      ...common,
      localAddress: LNS_ADDRESS,
      peerAddress: CLIENT_ADDRESS,
      grant: GRANT,
      leases: [LEASE],
      policy: POLICY,
    })
    assert.ok(client.network)
    const { grant, leases, policy, ...agreed } = client.network
    assert.deepEqual(agreed, { ...common, localAddress: CLIENT_ADDRESS, peerAddress: LNS_ADDRESS })
    assert.deepEqual([grant, leases], [{ user: 'hb@hb' }, []])
    assert.deepEqual(
      policy.rules.map(rule => [rule.action, rule.direction]),
      [
        ['permit', 'from-session'],
        ['permit', 'to-session'],
      ],
    )
    assert.deepEqual(kinds(lns), chainOf(method))
    assert.deepEqual(lns.drops.concat(client.drops), [])
  })

  test(`a wrong password ends a ${method} call on both sides, and the message tells nothing`, () => {
    const { wire, lns, client } = pair(
      { config: demanding(method) },
      { answer: except('ownSecret', { kind: 'accept', secret: 'guess' }) },
    )
    wire.start()
    wire.run(10_000)
    assert.deepEqual(lns.closed, { cause: 'auth-failed', pppCause: 16, text: 'wrong name or password' })
    assert.deepEqual(client.closed, {
      cause: 'auth-failed',
      pppCause: 16,
      text: TOLD[method]('Authentication failed'),
    })
    assert.deepEqual(new Set(kinds(lns)), new Set(['authenticate']))
    assert.deepEqual([lns.ups, client.ups], [[], []])
    assert.ok(lns.idle && client.idle)
  })

  test(`a denied authorization is told as a failure of ${method}, with the hook's message`, () => {
    const { wire, lns, client } = pair({ config: demanding(method), answer: deny('authorize', 'Not today') })
    wire.start()
    wire.run(10_000)
    assert.deepEqual(lns.closed, { cause: 'not-authorized', pppCause: 16, text: 'no authorize' })
    assert.equal(client.closed?.cause, 'auth-failed')
    assert.equal(client.closed?.text, TOLD[method]('Not today'))
  })

  for (const [step, cause, asked, leases] of [
    ['assignAddress', 'no-address', 3, []],
    ['decidePolicy', 'policy-denied', 4, [LEASE]],
  ] as const) {
    test(`a denied ${step} after ${method}: the peer is accepted, then the link ends, leases to be returned`, () => {
      const { wire, lns, client } = pair({ config: demanding(method), answer: deny(step) })
      wire.start()
      wire.run(10_000)
      assert.deepEqual(lns.closed, { cause, text: `no ${step}` })
      assert.deepEqual(kinds(lns), chainOf(method).slice(0, chainOf(method).length - CHAIN.length + asked))
      assert.deepEqual(lns.link.leases, leases)
      assert.equal(client.closed?.cause, 'peer-hangup')
      assert.deepEqual([lns.ups, client.ups], [[], []])
      assert.ok(lns.idle && client.idle)
    })
  }
}

test('an address of the wrong shape is refused, and still given back', () => {
  const lease = { ...LEASE, value: 'fe80::1' }
  const { wire, lns } = pair({ answer: except('assignAddress', { kind: 'accept', lease }) })
  wire.start()
  wire.run(10_000)
  assert.equal(lns.closed?.cause, 'no-address')
  assert.deepEqual(lns.link.leases, [lease])
})

test('a PAP request repeated while the hooks think is not asked again; the verdict answers the last one', () => {
  const { wire, lns, client } = pair({ config: demanding('pap') }, {}, { askDelayMs: [4_000, 4_000] })
  wire.start()
  wire.run(40_000)
  const requests = client.said.filter(line => line.startsWith('PAP 1'))
  assert.ok(requests.length > 2, `${requests}`)
  assert.deepEqual(kinds(lns), CHAIN)
  assert.ok(lns.network && client.network)
})

test('a CHAP response repeated while the hooks think is not asked again', () => {
  const { wire, lns, client } = pair({ config: demanding('chap-md5') }, {}, { askDelayMs: [4_000, 4_000] })
  wire.start()
  wire.run(40_000)
  assert.ok(client.said.filter(line => line.startsWith('CHAP 2')).length > 2)
  assert.deepEqual(kinds(lns), CHAIN)
  assert.ok(lns.network && client.network)
})

for (const [method, verdict] of [
  ['pap', 'PAP 2'],
  ['chap-md5', 'CHAP 3'],
] as const) {
  test(`a lost ${verdict} is repeated when the client repeats itself, in the network phase too`, () => {
    const { wire, lns, client } = pair({ config: demanding(method) })
    let lost = 0
    wire.tamper = (frame, from) =>
      from === lns && lns.said.at(-1)?.startsWith(verdict) && lost++ === 0 ? undefined : frame
    wire.start()
    wire.run(10_000)
    assert.ok(lost > 1, 'the verdict was sent again')
    assert.deepEqual(kinds(lns), CHAIN)
    assert.ok(lns.network && client.network)
  })
}

test('a verdict after the end of the link changes nothing', () => {
  const { wire, lns } = pair({ answer: () => undefined })
  wire.start()
  wire.run(1000)
  const [askId] = [...lns.pending.keys()]
  assert.ok(askId !== undefined)
  wire.close(lns)
  assert.deepEqual(lns.withdrawn, [askId])
  wire.run(10_000)
  const before = structuredClone(lns.link)
  wire.answer(lns, askId, { kind: 'accept', grant: GRANT })
  assert.deepEqual(lns.link, before)
  assert.deepEqual([lns.closed, lns.ups], [{ cause: 'local-hangup' }, []])
})

test('an answer to an ask of another link changes nothing', () => {
  const { wire, lns } = pair({ answer: () => undefined })
  wire.start()
  wire.run(1000)
  wire.answer(lns, 999, { kind: 'accept', grant: GRANT })
  assert.deepEqual([lns.link.pending?.step, lns.link.grant], ['authenticate', undefined])
})

test('hooks that never answer: authentication times out, the ask is withdrawn, nothing is held', () => {
  const config = { ...LNS_CONFIG, authTimeoutMs: 20_000 }
  const { wire, lns, client } = pair({ config, answer: () => undefined })
  wire.start()
  wire.run(30_000)
  assert.deepEqual(lns.closed, { cause: 'auth-failed', pppCause: 13, text: 'authentication took too long' })
  assert.equal(lns.withdrawn.length, 1)
  assert.ok(client.closed)
  assert.ok(lns.idle && client.idle)
})

test('without a demand for authentication the peer comes up as nobody, by the other decisions', () => {
  const { wire, lns, client } = pair({ config: demanding() })
  wire.start()
  wire.run(5000)
  assert.deepEqual(kinds(lns), CHAIN.slice(1))
  assert.deepEqual(lns.network?.grant, { user: '' })
  assert.deepEqual(kinds(client), [])
  assert.ok(client.network)
})

test('a client without credentials refuses to authenticate, and both sides say so', () => {
  const { authAs, ...config } = CLIENT_CONFIG
  const { wire, lns, client } = pair({}, { config })
  wire.start()
  wire.run(60_000)
  assert.ok(authAs)
  assert.equal(lns.closed?.cause, 'auth-failed')
  assert.equal(lns.closed?.pppCause, 15)
  assert.ok(client.closed)
})

test('a client whose secret is not to be had ends with the reason', () => {
  const { wire, client } = pair({}, { answer: deny('ownSecret') })
  wire.start()
  wire.run(10_000)
  assert.deepEqual(client.closed, { cause: 'auth-failed', text: 'no ownSecret' })
})

test('a name or password that PAP cannot carry ends the client with the reason', () => {
  const { wire, client } = pair(
    { config: demanding('pap') },
    { answer: except('ownSecret', { kind: 'accept', secret: 'x'.repeat(256) }) },
  )
  wire.start()
  wire.run(10_000)
  assert.equal(client.closed?.cause, 'auth-failed')
  assert.match(client.closed?.text ?? '', /255 octets/)
})

for (const [ours, theirs] of [
  ['chap-md5', 'chap-md5'],
  ['pap', 'chap-md5'],
  ['chap-md5', 'pap'],
  ['pap', 'pap'],
] as const) {
  test(`both sides prove themselves: the client by ${ours}, the LNS by ${theirs}, the client first`, () => {
    const { wire, lns, client } = pair(
      { config: { ...demanding(ours), authAs: { user: 'lns', methods: [theirs] } } },
      { config: { ...CLIENT_CONFIG, demandAuth: [theirs] }, answer: mutual },
    )
    wire.start()
    wire.run(5_000)
    assert.ok(lns.network && client.network)
    assert.deepEqual(kinds(lns), [...CHAIN, 'ownSecret'])
    assert.deepEqual(kinds(client).sort(), ['authenticate', 'ownSecret'])
  })
}

const mutual: Answerer = ask =>
  ask.kind === 'authenticate' ? { kind: 'accept', grant: { user: 'lns' } } : answerer(ask)
