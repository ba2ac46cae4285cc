/** A NAT that gives the client another port in mid-session, and others who would like to be taken for that. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Flow } from '../../core/flow.ts'
import type { Path } from '../../core/ports.ts'
import { encodeControl } from '../../core/wire/control-message.ts'
import { decodeHeader, encodeDataDatagram } from '../../core/wire/l2tp-header.ts'
import { CLIENT_ADDRESS, LNS_ADDRESS, Pair } from '../support/pair.ts'

const LCP_ECHO = Uint8Array.of(0xff, 0x03, 0xc0, 0x21, 9, 1, 0, 8, 0, 0, 0, 0)
const at = (port: number): Path => ({
  local: LNS_ADDRESS,
  remote: { address: CLIENT_ADDRESS.address, port },
})

/** A call behind a NAT. `strangers`: what the LNS sent to other ports of the NAT's address. */
function behindNat(restoreAlways = false) {
  const nat: { port: number } = { port: CLIENT_ADDRESS.port }
  const strangers: { readonly port: number; readonly bytes: Uint8Array }[] = []
  const flows: Flow[] = []
  const pair: Pair = new Pair({
    seed: 8,
    restoreAlways,
    between(from, { local, remote }) {
      if (from === pair.client) return at(nat.port)
      return remote.port === nat.port ? { local: CLIENT_ADDRESS, remote: local } : undefined
    },
    onOutput(side, output) {
      if (side !== pair.lns) return
      if (output.kind === 'transmit' && output.path.remote.port !== nat.port)
        strangers.push({ port: output.path.remote.port, bytes: output.bytes })
      if (output.kind === 'flow' && output.op === 'upsert') flows.push(output.flow)
    },
  })
  pair.dial()
  assert.ok(pair.run(2000, () => pair.lns.eventsOf('sessionUp').length === 1))
  // What set it up is acknowledged.
  pair.run(3000)
  return { pair, nat, strangers, flows }
}

function ids(pair: Pair) {
  const { tunnel, localSessionId } = pair.lns.endpoint.sessions()[0]?.session ?? assert.fail('no session')
  return { tunnelId: tunnel.localTunnelId, sessionId: localSessionId }
}

const data = (given: { tunnelId: number; sessionId: number }) =>
  encodeDataDatagram({ ...given, length: true, priority: false }, LCP_ECHO)

for (const restoreAlways of [false, true])
  test(`a NAT rebinds the port: the tunnel follows what is acknowledged there${restoreAlways ? ', restored at every step' : ''}`, () => {
    const { pair, nat, flows } = behindNat(restoreAlways)
    const [before] = flows
    nat.port = 50_000
    pair.inject(pair.lns, at(nat.port), data(ids(pair)))
    assert.ok(pair.run(pair.now + 3000, () => pair.lns.eventsOf('tunnelMoved').length === 1))
    const [moved] = pair.lns.eventsOf('tunnelMoved')
    assert.deepEqual(moved?.tunnel.path, at(50_000))
    assert.deepEqual(moved.from, at(CLIENT_ADDRESS.port))
    assert.deepEqual(flows.slice(1), [{ ...before, path: at(50_000) }], 'the same flow, counted on')
    pair.run(pair.now + 300_000)
    assert.equal(pair.lns.eventsOf('sessionUp').length, 1)
    assert.deepEqual(pair.lns.eventsOf('sessionDown'), [], 'echoes and HELLOs go on')
    const { key } = pair.lns.endpoint.sessions()[0]?.session ?? assert.fail('no session')
    pair.act(pair.lns, (endpoint, now) => endpoint.hangUp(now, key, { cause: 'admin-reset' }))
    pair.run(pair.now + 600_000)
    assert.equal(pair.client.eventsOf('sessionDown')[0]?.reason.cause, 'peer-hangup')
    assert.ok(pair.lns.endpoint.isIdle())
  })

test('a client that has nothing to send but control messages is followed as well', () => {
  const { pair, nat } = behindNat()
  nat.port = 50_000
  assert.ok(pair.run(pair.now + 120_000, () => pair.lns.eventsOf('tunnelMoved').length === 1))
  assert.deepEqual(pair.lns.eventsOf('sessionDown'), [])
})

for (const restoreAlways of [false, true])
  test(`a tunnel that something protects stays where it is: what comes from elsewhere was not protected${restoreAlways ? ', restored at every step' : ''}`, () => {
    const { pair, nat, strangers } = behindNat(restoreAlways)
    const [{ key } = assert.fail('no tunnel')] = pair.lns.endpoint.tunnels()
    const protection = { protocol: 'IKEv1', cipher: 'ESP', identity: '10.0.0.7' }
    pair.act(pair.lns, endpoint => endpoint.protect(key, protection))
    pair.inject(pair.lns, at(50_000), data(ids(pair)))
    pair.run(pair.now + 30_000)
    assert.deepEqual([pair.lns.eventsOf('tunnelMoved'), strangers], [[], []])
    assert.deepEqual(pair.lns.endpoint.tunnels()[0]?.protection, protection)
    pair.act(pair.lns, endpoint => endpoint.protect(key, undefined))
    nat.port = 50_000
    pair.inject(pair.lns, at(nat.port), data(ids(pair)))
    assert.ok(pair.run(pair.now + 3000, () => pair.lns.eventsOf('tunnelMoved').length === 1))
  })

test('data alone moves nothing: without an acknowledgement the tunnel stays where it is', () => {
  const { pair, strangers } = behindNat()
  for (let second = 0; second < 30; second++) {
    pair.inject(pair.lns, at(60_000), data(ids(pair)))
    pair.run(pair.now + 1000)
  }
  assert.deepEqual(pair.lns.eventsOf('tunnelMoved'), [])
  assert.equal(strangers.length, 3, 'it is asked once in ten seconds at most')
  assert.deepEqual(pair.lns.endpoint.tunnels()[0]?.path, at(CLIENT_ADDRESS.port))
})

test('who acknowledges at another port does not get a tunnel whose peer is still there', () => {
  const { pair, strangers } = behindNat()
  pair.inject(pair.lns, at(60_000), data(ids(pair)))
  const [hello] = strangers
  const asked = decodeHeader(hello?.bytes ?? new Uint8Array())
  assert.ok(asked.kind === 'control')
  const { ns, nr } = asked.header
  // Before the peer, who is ten milliseconds away.
  const zlb = encodeControl({ tunnelId: ids(pair).tunnelId, sessionId: 0, ns: nr, nr: ns + 1 })
  pair.inject(pair.lns, at(60_000), zlb)
  pair.run(pair.now + 60_000)
  assert.deepEqual(pair.lns.eventsOf('tunnelMoved'), [])
  assert.deepEqual(pair.lns.eventsOf('sessionDown'), [])
})

test('whoever does not know the ids, or what to acknowledge, is not even asked', () => {
  const { pair, strangers } = behindNat()
  const { tunnelId, sessionId } = ids(pair)
  const control = (nr: number) => encodeControl({ tunnelId, sessionId: 0, ns: 7, nr })
  pair.inject(pair.lns, at(60_000), data({ tunnelId, sessionId: sessionId ^ 1 }))
  pair.inject(pair.lns, at(60_000), data({ tunnelId: tunnelId ^ 1, sessionId }))
  pair.inject(pair.lns, at(60_000), control(40))
  const elsewhere = { local: LNS_ADDRESS, remote: { address: '198.51.100.9', port: CLIENT_ADDRESS.port } }
  pair.inject(pair.lns, elsewhere, data({ tunnelId, sessionId }))
  pair.run(pair.now + 5000)
  assert.deepEqual(strangers, [])
  const reasons = pair.lns.eventsOf('drop').map(({ reason }) => reason)
  assert.deepEqual(reasons, ['wrong-source', 'unknown-tunnel', 'wrong-source', 'wrong-source'])
})

test('an acknowledgement of anything else, or from a third port, counts for nothing', () => {
  const { pair, nat, strangers } = behindNat()
  // The peer is gone.
  nat.port = 1
  const given = ids(pair)
  pair.inject(pair.lns, at(60_000), data(given))
  pair.inject(pair.lns, at(61_000), data(given))
  assert.deepEqual(
    strangers.map(({ port }) => port),
    [CLIENT_ADDRESS.port, 60_000],
    'one is asked at a time',
  )
  const asked = decodeHeader(strangers[1]?.bytes ?? new Uint8Array())
  assert.ok(asked.kind === 'control')
  const { ns, nr } = asked.header
  const zlb = (acknowledged: number) =>
    encodeControl({ tunnelId: given.tunnelId, sessionId: 0, ns: nr, nr: acknowledged & 0xffff })
  pair.inject(pair.lns, at(60_000), zlb(ns))
  pair.inject(pair.lns, at(60_000), zlb(ns + 2))
  pair.inject(pair.lns, at(61_000), zlb(ns + 1))
  pair.run(pair.now + 8000)
  assert.deepEqual(pair.lns.eventsOf('tunnelMoved'), [])
  // The right one would have done.
  pair.inject(pair.lns, at(60_000), zlb(ns + 1))
  pair.run(pair.now + 1500)
  assert.equal(pair.lns.eventsOf('tunnelMoved').length, 1)
})

test('a tunnel whose protection is gone ends with its calls, and not a word to its peer', () => {
  const said: number[] = []
  const pair: Pair = new Pair({
    seed: 8,
    onOutput(side, output) {
      if (side === pair.lns && output.kind === 'transmit') said.push(pair.now)
    },
  })
  pair.dial()
  assert.ok(pair.run(2000, () => pair.lns.eventsOf('sessionUp').length === 1))
  pair.run(3000)
  const [{ key } = assert.fail('no tunnel')] = pair.lns.endpoint.tunnels()
  said.length = 0
  const reason = { cause: 'protection-lost', text: 'its IPsec SA is gone' } as const
  pair.act(pair.lns, (endpoint, now) => endpoint.dropTunnel(now, 'nonsense', reason))
  assert.equal(pair.lns.endpoint.sessions().length, 1)
  pair.act(pair.lns, (endpoint, now) => endpoint.dropTunnel(now, key, reason))
  pair.run(pair.now + 60_000)
  const [session] = pair.lns.eventsOf('sessionDown')
  const [tunnel] = pair.lns.eventsOf('tunnelDown')
  assert.deepEqual([session?.reason, tunnel?.reason], [reason, reason])
  assert.deepEqual(said, [])
  assert.ok(pair.lns.endpoint.isIdle())
})
