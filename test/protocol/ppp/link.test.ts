import assert from 'node:assert/strict'
import test from 'node:test'
import type { AuthMethod, Verdict } from '../../../core/protocol/outputs.ts'
import type { LinkAsk, PppConfig } from '../../../core/protocol/ppp/link-env.ts'
import {
  type Answerer,
  answerer,
  CLIENT_ADDRESS,
  CLIENT_CONFIG,
  GRANT,
  hex,
  LEASE,
  LNS_ADDRESS,
  LNS_CONFIG,
  POLICY,
  pair,
  type Station,
} from './harness.ts'

const CHAIN = ['authenticate', 'authorize', 'assignAddress', 'decidePolicy']
const METHODS: readonly AuthMethod[] = ['pap', 'chap-md5']

const kinds = (station: Station) => station.asked.map(ask => ask.kind)
const demanding = (...demandAuth: AuthMethod[]): PppConfig => ({ ...LNS_CONFIG, demandAuth })

/** Answers as the deployment does, but for one kind of ask. */
const except =
  (kind: LinkAsk['kind'], verdict: Verdict | undefined): Answerer =>
  ask =>
    ask.kind === kind ? verdict : answerer(ask)

const deny = (kind: LinkAsk['kind'], message?: string): Answerer =>
  except(kind, { kind: 'deny', reason: `no ${kind}`, ...(message !== undefined && { message }) })

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
    assert.deepEqual(kinds(lns), CHAIN)
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
    assert.deepEqual(client.closed, { cause: 'auth-failed', pppCause: 16, text: 'Authentication failed' })
    assert.deepEqual(kinds(lns), ['authenticate'])
    assert.deepEqual([lns.ups, client.ups], [[], []])
    assert.ok(lns.idle && client.idle)
  })

  test(`a denied authorization is told as a failure of ${method}, with the hook's message`, () => {
    const { wire, lns, client } = pair({ config: demanding(method), answer: deny('authorize', 'Not today') })
    wire.start()
    wire.run(10_000)
    assert.deepEqual(lns.closed, { cause: 'not-authorized', pppCause: 16, text: 'no authorize' })
    assert.equal(client.closed?.cause, 'auth-failed')
    assert.equal(client.closed?.text, 'Not today')
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
      assert.deepEqual(kinds(lns), CHAIN.slice(0, asked))
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

test('a renegotiation of LCP keeps the lease, asks for proof anew, and tells down and up', () => {
  const { wire, lns, client } = pair()
  wire.start()
  wire.run(1000)
  wire.inject(lns, hex('ff03 c021 01 63 000a 0506 0badcafe'))
  assert.deepEqual([lns.downs, lns.link.phase, lns.network], [1, 'establish', undefined])
  wire.run(10_000)
  assert.deepEqual(kinds(lns), [...CHAIN, 'authenticate'])
  assert.deepEqual([lns.ups.length, client.ups.length, client.downs], [2, 2, 1])
  assert.deepEqual(lns.network, lns.ups[0])
  assert.deepEqual(lns.network?.leases, [LEASE])
  assert.equal(lns.closed, undefined)
})

test('a renegotiation keeps what was authorized, not what authentication grants anew', () => {
  const authorized = { ...GRANT, mtuBytes: 1300, zone: 'staff' }
  const { wire, lns } = pair({ answer: except('authorize', { kind: 'accept', grant: authorized }) })
  wire.start()
  wire.run(1000)
  wire.inject(lns, hex('ff03 c021 01 63 000a 0506 0badcafe'))
  wire.run(10_000)
  assert.deepEqual(lns.network?.grant, authorized)
})

test('a link that is up runs one timer, for echoes', () => {
  const { wire, lns, client } = pair()
  wire.start()
  wire.run(1000)
  for (const { timers } of [lns, client]) assert.deepEqual([...timers.keys()], ['echo'])
})

test('a renegotiation as another user ends the link', () => {
  let user = 'hb@hb'
  const answer: Answerer = ask =>
    ask.kind === 'authenticate' ? { kind: 'accept', grant: { ...GRANT, user } } : answerer(ask)
  const { wire, lns, client } = pair({ answer })
  wire.start()
  wire.run(1000)
  user = 'other'
  wire.inject(lns, hex('ff03 c021 01 63 000a 0506 0badcafe'))
  wire.run(10_000)
  assert.equal(lns.closed?.cause, 'auth-failed')
  assert.deepEqual(lns.link.leases, [LEASE])
  assert.ok(client.closed)
})

test('a renegotiation that never comes to an end is ended by the setup deadline', () => {
  const { wire, lns } = pair()
  wire.start()
  wire.run(1000)
  wire.tamper = () => undefined
  wire.inject(lns, hex('ff03 c021 01 63 000a 0506 0badcafe'))
  assert.ok(lns.timers.has('setup'))
  wire.run(LNS_CONFIG.setupTimeoutMs + 10_000)
  assert.equal(lns.closed?.cause, 'ppp-failed')
  assert.ok(lns.idle)
})

test('a renegotiation while the hooks think withdraws the ask and goes on from what was decided', () => {
  let slow = true
  const answer: Answerer = ask => (ask.kind === 'decidePolicy' && slow ? undefined : answerer(ask))
  const { wire, lns, client } = pair({ answer })
  wire.start()
  wire.run(1000)
  slow = false
  wire.inject(lns, hex('ff03 c021 01 63 000a 0506 0badcafe'))
  assert.deepEqual([lns.withdrawn.length, lns.downs], [1, 0])
  wire.run(10_000)
  assert.deepEqual(kinds(lns), [...CHAIN, 'authenticate', 'decidePolicy'])
  assert.ok(lns.network && client.network)
})

test('a renegotiation of IPCP alone tells down and up and asks nothing', () => {
  const { wire, lns, client } = pair()
  wire.start()
  wire.run(1000)
  wire.inject(lns, hex('ff03 8021 01 63 000a 0306 ac100133'))
  wire.run(5_000)
  assert.deepEqual([lns.downs, lns.ups.length, lns.link.phase], [1, 2, 'network'])
  assert.deepEqual(kinds(lns), CHAIN)
  assert.ok(lns.network && client.network)
})

for (const who of ['lns', 'client'] as const) {
  test(`the ${who} hangs up: its peer acknowledges, and both end with nothing held`, () => {
    const stations = pair()
    const { wire, lns, client } = stations
    const other = who === 'lns' ? client : lns
    wire.start()
    wire.run(1000)
    wire.close(stations[who], { cause: 'session-timeout', text: 'time is up' })
    wire.run(1000)
    assert.deepEqual(stations[who].closed, { cause: 'session-timeout', text: 'time is up' })
    assert.equal(other.network, undefined)
    wire.run(5000)
    assert.deepEqual([other.closed?.cause, other.closed?.pppCause], ['peer-hangup', 3])
    assert.deepEqual([lns.downs, client.downs], [1, 1])
    assert.ok(lns.idle && client.idle)
  })
}

test('both hang up at once', () => {
  const { wire, lns, client } = pair()
  wire.start()
  wire.run(1000)
  wire.close(lns)
  wire.close(client)
  wire.run(5000)
  assert.deepEqual([lns.closed, client.closed], [{ cause: 'local-hangup' }, { cause: 'local-hangup' }])
})

test('a peer that does not acknowledge the end is given up after Max-Terminate', () => {
  const { wire, lns } = pair()
  wire.start()
  wire.run(1000)
  wire.tamper = () => undefined
  wire.close(lns)
  wire.run(2 * LNS_CONFIG.restartTimerMs - 1)
  assert.equal(lns.closed, undefined)
  wire.run(1)
  assert.deepEqual(lns.closed, { cause: 'local-hangup' })
  assert.equal(lns.said.filter(line => line.startsWith('LCP Terminate-Request')).length, 2)
})

test('the first reason of an end stays', () => {
  const { wire, lns } = pair()
  wire.start()
  wire.run(1000)
  wire.close(lns, { cause: 'admin-reset' })
  wire.close(lns, { cause: 'shutdown' })
  wire.run(5000)
  assert.deepEqual(lns.closed, { cause: 'admin-reset' })
})

test('a link that never started is closed at once, and never starts', () => {
  const { wire, lns } = pair()
  wire.close(lns)
  assert.deepEqual(lns.closed, { cause: 'local-hangup' })
  wire.start()
  assert.deepEqual([lns.sent.length, lns.idle], [0, true])
})

test('a lost session: no frame, no timer, no ask, no callback, and the truer reason comes back', () => {
  const { wire, lns } = pair({ answer: () => undefined })
  wire.start()
  wire.run(1000)
  const sent = lns.sent.length
  assert.equal(wire.lose(lns), undefined)
  assert.ok(lns.idle)
  assert.deepEqual([lns.sent.length, lns.closed, lns.downs], [sent, undefined, 0])
  wire.close(lns)
  wire.run(10_000)
  assert.deepEqual([lns.sent.length, lns.closed], [sent, undefined])
})

test('a session lost while the link was ending reports why it was ending', () => {
  const { wire, lns } = pair({ answer: deny('authenticate') })
  wire.start()
  wire.run(55)
  assert.equal(wire.lose(lns)?.cause, 'auth-failed')
})

test('nothing is heard: LCP is repeated Max-Configure times, then the link ends', () => {
  const { wire, lns } = pair()
  wire.tamper = () => undefined
  wire.start()
  wire.run(LNS_CONFIG.maxConfigure * LNS_CONFIG.restartTimerMs)
  assert.equal(
    lns.said.filter(line => line.startsWith('LCP Configure-Request')).length,
    LNS_CONFIG.maxConfigure,
  )
  assert.deepEqual(lns.closed, { cause: 'ppp-failed', pppCause: 5, text: 'LCP: the peer does not answer' })
  assert.ok(lns.idle)
})

test('pppd reads its first LCP request slowly: a request that was lost is repeated', () => {
  const { wire, lns, client } = pair()
  wire.tamper = (frame, from) => (from === lns && wire.now < 2000 ? undefined : frame)
  wire.start()
  wire.run(10_000)
  assert.ok(lns.network && client.network)
})

test('the setup deadline ends a link that does not get beyond a phase', () => {
  const { wire, lns, client } = pair({ config: { ...LNS_CONFIG, setupTimeoutMs: 20_000 } })
  wire.tamper = (frame, from) =>
    from === client && client.said.at(-1)?.startsWith('IPCP') ? undefined : frame
  wire.start()
  wire.run(25_000)
  assert.deepEqual(lns.closed, {
    cause: 'ppp-failed',
    pppCause: 17,
    text: 'PPP did not come up in time, phase network',
  })
})

test('IPCP that is not answered ends the link', () => {
  const { wire, lns, client } = pair()
  wire.tamper = (frame, from) =>
    from === client && client.said.at(-1)?.startsWith('IPCP') ? undefined : frame
  wire.start()
  wire.run(40_000)
  assert.deepEqual(lns.closed, { cause: 'ppp-failed', pppCause: 17, text: 'IPCP: the peer does not answer' })
})

test('a peer that goes silent is noticed by LCP echoes', () => {
  const { wire, lns } = pair()
  wire.start()
  wire.run(1000)
  wire.tamper = () => undefined
  wire.run(30_000 * 5 + 10_000)
  assert.deepEqual(lns.closed, { cause: 'peer-silent', pppCause: 8, text: 'LCP echoes went unanswered' })
  assert.equal(lns.said.filter(line => line.startsWith('LCP Echo-Request')).length, LNS_CONFIG.echo.failures)
  assert.ok(lns.idle)
})

test('a peer that answers echoes stays for ever', () => {
  const { wire, lns, client } = pair()
  wire.start()
  wire.run(24 * 3600 * 1000)
  assert.ok(lns.network && client.network)
  assert.deepEqual([lns.ups.length, lns.downs], [1, 0])
})

test('with an echo interval of 0 there is no keepalive', () => {
  const { wire, lns } = pair({ config: { ...LNS_CONFIG, echo: { intervalMs: 0, failures: 4 } } })
  wire.start()
  wire.run(3600 * 1000)
  assert.ok(!lns.said.some(line => line.startsWith('LCP Echo-Request')))
  assert.ok(lns.network)
})

for (const [lnsMru, clientMru, grantMtu, mtu] of [
  [1500, 1500, undefined, 1500],
  [1500, 1400, undefined, 1400],
  [1400, 1500, undefined, 1400],
  [1280, 1450, undefined, 1280],
  [1400, 1400, 1300, 1300],
  [1400, 1400, 1500, 1400],
] as const) {
  test(`MRU ${lnsMru} and ${clientMru}, granted MTU ${grantMtu ?? '-'}: packets of ${mtu} octets at most`, () => {
    const grant = { ...GRANT, ...(grantMtu !== undefined && { mtuBytes: grantMtu }) }
    const { wire, lns, client } = pair(
      {
        config: { ...LNS_CONFIG, mruBytes: lnsMru },
        answer: except('authorize', { kind: 'accept', grant }),
      },
      { config: { ...CLIENT_CONFIG, mruBytes: clientMru } },
    )
    wire.start()
    wire.run(1000)
    assert.equal(lns.network?.mtuBytes, mtu)
    assert.equal(client.network?.mtuBytes, Math.min(lnsMru, clientMru))
  })
}
