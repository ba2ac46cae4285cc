/** Tunnel authentication (RFC 2661 5.1.1) and hidden AVPs (4.3). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { md5 } from '../../core/crypto.ts'
import { dialRequest, LNS_CONFIG } from '../support/pair.ts'
import { assertGoneAfterAck, Bench, stopCodes } from '../support/scripted-peer.ts'

const SECRET = 'tunnel-secret'
const SECRETS = [{ name: 'corporate', secret: SECRET }]
const octets = (text: string) => new TextEncoder().encode(text)

/** RFC 2661 5.1.1. */
const respond = (type: number, secret: string, challenge: Uint8Array) =>
  md5(Uint8Array.of(type), octets(secret), challenge)

test('a tunnel secret: the peer proves itself, and so do we', () => {
  const bench = new Bench({ config: { secrets: SECRETS } })
  const peer = bench.peer()
  const challenge = octets('sixteen-octets-x')
  peer.sccrq({ challenge })
  const reply = peer.expect('SCCRP').avps
  assert.deepEqual(reply.challengeResponse, respond(2, SECRET, challenge))
  const challengeResponse = respond(3, SECRET, reply.challenge ?? assert.fail('no challenge'))
  peer.send({ type: 'SCCCN', avps: { challengeResponse } })
  const [up] = bench.eventsOf('tunnelUp')
  assert.equal(up?.tunnel.secretName, 'corporate')
})

test('a wrong or missing proof gets StopCCN 4', () => {
  for (const secret of ['wrong', undefined]) {
    const bench = new Bench({ config: { secrets: SECRETS } })
    const peer = bench.peer()
    peer.sccrq()
    const { challenge } = peer.expect('SCCRP').avps
    const proof =
      secret === undefined ? {} : { challengeResponse: respond(3, secret, challenge ?? new Uint8Array()) }
    peer.send({ type: 'SCCCN', avps: proof })
    assert.deepEqual(stopCodes(peer.expect('StopCCN')), [4, 0])
    assert.deepEqual(bench.eventsOf('tunnelUp'), [])
    assertGoneAfterAck(bench, peer)
  }
})

test('a challenge where no secret is configured gets StopCCN 4', () => {
  const bench = new Bench()
  const peer = bench.peer()
  peer.sccrq({ challenge: octets('anything') })
  assert.deepEqual(stopCodes(peer.expect('StopCCN')), [4, 0])
  assertGoneAfterAck(bench, peer)
})

test('secrets are chosen by host name: each peer its own, others the general one', () => {
  const secrets = [
    { name: 'branch', secret: 'b', peerHostName: 'branch' },
    { name: 'rest', secret: 'r' },
  ]
  for (const [hostName, name] of [
    ['branch', 'branch'],
    ['elsewhere', 'rest'],
  ] as const) {
    const bench = new Bench({ config: { secrets } })
    bench.peer().sccrq({ hostName })
    assert.equal(bench.endpoint.tunnels()[0]?.secretName, name)
  }
})

test('our own open challenge is never answered, for it would prove a stranger to us', () => {
  const bench = new Bench({ config: { secrets: SECRETS } })
  const victim = bench.peer({ address: '198.51.100.9', port: 1701 })
  // We dial; whoever sits there has no secret, and hopes that our LNS side computes the answer.
  bench.act((endpoint, now) =>
    endpoint.dial(now, dialRequest({ path: victim.path, secretName: 'corporate' })),
  )
  const { challenge } = victim.expect('SCCRQ').avps
  const reflecting = bench.peer({ address: '198.51.100.9', port: 4000 }, 77)
  reflecting.sccrq({ challenge: challenge ?? assert.fail('no challenge') })
  assert.deepEqual(stopCodes(reflecting.expect('StopCCN')), [4, 0])
})

test('AVPs hidden with the tunnel secret are read, from the first message on', () => {
  const bench = new Bench({ config: { secrets: SECRETS } })
  const peer = bench.peer()
  const hide = {
    secret: octets(SECRET),
    randomVector: octets('random-vector'),
    names: ['assignedTunnelId', 'assignedSessionId', 'callingNumber', 'challengeResponse'],
  } as const
  peer.send(
    {
      type: 'SCCRQ',
      avps: {
        protocolVersion: { version: 1, revision: 0 },
        hostName: 'peer',
        framingCapabilities: { async: true, sync: true },
        assignedTunnelId: 513,
      },
    },
    {},
    hide,
  )
  const { challenge } = peer.expect('SCCRP').avps
  const challengeResponse = respond(3, SECRET, challenge ?? assert.fail('no challenge'))
  peer.send({ type: 'SCCCN', avps: { challengeResponse } }, {}, hide)
  assert.equal(bench.eventsOf('tunnelUp')[0]?.tunnel.peerTunnelId, 513)
  const avps = { assignedSessionId: 9, callSerialNumber: 3, callingNumber: '5551234' }
  peer.send({ type: 'ICRQ', avps }, {}, hide)
  assert.equal(bench.endpoint.sessions()[0]?.session.callingNumber, '5551234')
  assert.equal(bench.endpoint.sessions()[0]?.session.peerSessionId, 9)
})

test('a hidden AVP under another secret ends before anything is allocated', () => {
  const bench = new Bench({ config: { secrets: SECRETS } })
  const peer = bench.peer()
  peer.send(
    {
      type: 'SCCRQ',
      avps: {
        protocolVersion: { version: 1, revision: 0 },
        hostName: 'peer',
        framingCapabilities: { async: true, sync: true },
        assignedTunnelId: 5,
      },
    },
    {},
    { secret: octets('another'), randomVector: octets('rv'), names: ['assignedTunnelId'] },
  )
  assert.deepEqual(bench.drops(), ['bad-avp'])
  assert.ok(bench.endpoint.isIdle())
})

test('an LNS with the hidden name of its secret keeps no secret in its snapshot', () => {
  const bench = new Bench({ config: { ...LNS_CONFIG, secrets: SECRETS } })
  bench.peer().sccrq({ challenge: octets('x') })
  const snapshot = JSON.stringify(bench.endpoint.snapshot())
  assert.ok(snapshot.includes('corporate'))
  assert.ok(!snapshot.includes(SECRET) && !snapshot.includes(Buffer.from(SECRET).toString('hex')))
})
