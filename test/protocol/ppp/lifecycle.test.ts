/** Renegotiation, the ways in which a link ends, and deadlines. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { PPP } from '../../../core/wire/ppp-frame.ts'
import { CP_CODE } from '../../../core/wire/ppp-options.ts'
import {
  type Answerer,
  answerer,
  CHAIN,
  CLIENT_CONFIG,
  deny,
  except,
  GRANT,
  hex,
  kinds,
  LEASE,
  LNS_CONFIG,
  pair,
} from './harness.ts'
import { Peer } from './peer.ts'

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

test('once a peer asks, our request is repeated soon, and once: what it did not hear before, it hears now', () => {
  const peer = new Peer()
  const requests = () => peer.us.said.filter(said => said === 'LCP Configure-Request 1').length
  peer.wire.run(1000)
  assert.equal(requests(), 1)
  peer.send(PPP.LCP, CP_CODE.CONFIGURE_REQUEST, 1)
  peer.wire.run(500)
  assert.equal(requests(), 2)
  peer.send(PPP.LCP, CP_CODE.CONFIGURE_REQUEST, 1)
  peer.wire.run(2500)
  assert.equal(requests(), 2, 'the next one when its timer has it')
  peer.wire.run(1000)
  assert.equal(requests(), 3)
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
  // The first of the two to lose patience.
  const { wire, lns, client } = pair({ config: { ...LNS_CONFIG, maxConfigure: 8 } })
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
