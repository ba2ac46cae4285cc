/** What real peers do on the control connection and with the data header, one test for each habit. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_L2TP, retransmissionCycleMs } from '../../core/protocol/config.ts'
import { decodeAvpList } from '../../core/wire/avp.ts'
import { AVPS } from '../../core/wire/avp-dictionary.ts'
import { type ControlMessage, encodeMessage } from '../../core/wire/control-message.ts'
import { encodeControlDatagram, encodeDataDatagram } from '../../core/wire/l2tp-header.ts'
import { decodePppFrame, PPP } from '../../core/wire/ppp-frame.ts'
import { Pair } from '../support/pair.ts'
import { Bench, type ScriptedPeer } from '../support/scripted-peer.ts'

const CYCLE_MS = retransmissionCycleMs(DEFAULT_L2TP)
const bytes = (hex: string) => new Uint8Array(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'))

/** Sends `message` with more AVPs, or other ones, behind. */
function sendWith(peer: ScriptedPeer, message: ControlMessage, extra: string, sessionId = 0): void {
  const avps = new Uint8Array(Buffer.concat([encodeMessage(message), bytes(extra)]))
  const header = { tunnelId: peer.theirId, sessionId, ns: peer.ns++, nr: peer.nr }
  peer.raw(encodeControlDatagram(header, avps))
}

/** AVPs written by hand behind a Message Type. */
function sendRaw(peer: ScriptedPeer, type: number, avps: string, sessionId = 0): void {
  const body = bytes(`8008 0000 0000 ${type.toString(16).padStart(4, '0')} ${avps}`)
  peer.raw(encodeControlDatagram({ tunnelId: peer.theirId, sessionId, ns: peer.ns++, nr: peer.nr }, body))
}

const CDN = 14
const STOP_CCN = 4

test('Windows: port 1701, tunnel id 1 on every host, window 8, synchronous framing only, no bearers', () => {
  const bench = new Bench()
  for (const address of ['198.51.100.1', '198.51.100.2', '198.51.100.3']) {
    const peer = bench.peer({ address, port: 1701 }, 1)
    peer.establish({
      receiveWindowSize: 8,
      framingCapabilities: { async: false, sync: true },
      bearerCapabilities: { analog: false, digital: false },
      firmwareRevision: 0x0a00,
      vendorName: 'Microsoft',
    })
    peer.call(1)
  }
  assert.equal(bench.endpoint.sessions().length, 3)
})

test('Windows: no tunnel authentication, where the secret is meant for others', () => {
  const bench = new Bench({
    config: { secrets: [{ name: 'branch', secret: 's', peerHostName: 'branch-router' }] },
  })
  bench.peer().establish({ hostName: 'DESKTOP-1' }).call()
  assert.equal(bench.endpoint.sessions().length, 1)
})

test('Windows: ICRQ with serial 0, analog bearer and a vendor AVP that may be ignored', () => {
  const bench = new Bench()
  const peer = bench.peer().establish()
  const avps = { assignedSessionId: 1, callSerialNumber: 0, bearerType: { analog: true, digital: false } }
  const guid = '0016 0137 0001 00112233445566778899aabbccddeeff'
  sendWith(peer, { type: 'ICRQ', avps }, guid)
  peer.expect('ICRP')
})

test('Windows: a ZLB whose Ns is ahead of a message in flight is no gap', () => {
  const bench = new Bench()
  const peer = bench.peer()
  peer.sccrq()
  peer.expect('SCCRP')
  peer.zlb({ ns: 2 })
  peer.send({ type: 'SCCCN', avps: {} })
  assert.equal(bench.eventsOf('tunnelUp').length, 1)
})

test('Windows XP: a CDN is acknowledged with session id 0', () => {
  const bench = new Bench()
  const peer = bench.peer().establish()
  peer.call()
  const key = bench.endpoint.sessions()[0]?.session.key ?? ''
  bench.act((endpoint, now) =>
    endpoint.closeTunnel(now, key.slice(0, key.lastIndexOf('/')), { cause: 'shutdown' }),
  )
  peer.heard()
  peer.zlb({ sessionId: 0 })
  peer.zlb({ sessionId: 0 })
  peer.zlb({ sessionId: 0 })
  assert.ok(bench.endpoint.isIdle())
})

test('data with and without L, S and O, with and without FF 03 and protocol compression', () => {
  const echo = '09 07 0008 00000000'
  const frames = [`ff03 c021 ${echo}`, `c021 ${echo}`]
  for (const length of [true, false]) {
    for (const sequence of [undefined, { ns: 3, nr: 0 }]) {
      for (const offsetBytes of [undefined, 0, 5]) {
        for (const frame of frames) {
          const pair = new Pair({ seed: 1 })
          pair.dial()
          pair.run(1000)
          const { session } = pair.lns.endpoint.sessions()[0] ?? assert.fail('no session')
          const header = {
            tunnelId: session.tunnel.localTunnelId,
            sessionId: session.localSessionId,
            length,
            priority: false,
            ...(sequence === undefined ? {} : { sequence }),
            ...(offsetBytes === undefined ? {} : { offsetBytes }),
          }
          pair.lns.endpoint.handleDatagram(
            pair.now,
            session.tunnel.path,
            encodeDataDatagram(header, bytes(frame)),
          )
          const output = pair.lns.endpoint.pollOutput()
          assert.ok(output?.kind === 'transmit', 'an Echo-Reply')
        }
      }
    }
  }
})

test('Windows: CDN, then StopCCN, repeated when our acknowledgement is lost', () => {
  const bench = new Bench()
  const peer = bench.peer().establish()
  const call = peer.call(1)
  const cdn = peer.send(
    { type: 'CDN', avps: { resultCode: { result: 3 }, assignedSessionId: 1 } },
    { sessionId: call },
  )
  const stop = peer.send({ type: 'StopCCN', avps: { assignedTunnelId: 1, resultCode: { result: 6 } } })
  assert.deepEqual(peer.types(), ['ZLB', 'ZLB'])
  peer.raw(cdn)
  peer.raw(stop)
  assert.deepEqual(peer.types(), ['ZLB', 'ZLB'])
  assert.equal(bench.eventsOf('sessionDown').length, 1)
  assert.equal(bench.eventsOf('tunnelDown').length, 1)
  bench.advance(CYCLE_MS)
  assert.ok(bench.endpoint.isIdle())
})

test('macOS: a Result Code in host byte order', () => {
  const bench = new Bench()
  const peer = bench.peer().establish()
  peer.call(1)
  sendRaw(peer, STOP_CCN, '8008 0000 0009 0001 800a 0000 0001 0600 0000')
  assert.deepEqual(peer.types(), ['ZLB'])
  assert.equal(bench.eventsOf('tunnelDown')[0]?.reason.resultCode, 6)
})

test('macOS: a Result Code AVP whose length is off by 6, with stale octets behind', () => {
  const bench = new Bench()
  const peer = bench.peer().establish()
  const call = peer.call(1)
  sendRaw(peer, CDN, '8008 0000 000e 0001 8010 0000 0001 0003 0000', call)
  assert.equal(bench.eventsOf('sessionDown')[0]?.reason.resultCode, 3)
  sendRaw(peer, STOP_CCN, '8008 0000 0009 0001 8010 0000 0001 0001 0000 dead beef 0000')
  assert.deepEqual(peer.types(), ['ZLB', 'ZLB'])
  assert.equal(bench.eventsOf('tunnelDown')[0]?.reason.cause, 'peer-hangup')
})

test('macOS: four messages at once, as many as it takes our window for', () => {
  const bench = new Bench()
  const peer = bench.peer().establish()
  for (const call of [1, 2, 3, 4]) peer.icrq(call)
  assert.equal(bench.endpoint.sessions().length, 4)
  assert.deepEqual(bench.drops(), [])
})

test('macOS and Android: every control message of ours is C8 02, of exact length, Message Type first, M only where the RFC has it, nothing hidden', () => {
  const sent: Uint8Array[] = []
  const secrets = [{ name: 's', secret: 'x' }]
  const pair = new Pair({
    seed: 3,
    lns: { secrets },
    client: { secrets },
    onOutput(_side, output) {
      if (output.kind === 'transmit' && ((output.bytes[0] ?? 0) & 0x80) !== 0) sent.push(output.bytes)
    },
  })
  const { session } = pair.dial({ secretName: 's', singleTunnel: true })
  pair.run(70_000)
  pair.act(pair.client, (endpoint, now) => endpoint.hangUp(now, session, { cause: 'local-hangup' }))
  pair.run(200_000)
  assert.ok(sent.length > 10)
  const mandatory = new Map(Object.values(AVPS).map(({ type, mandatory: m }) => [type, m]))
  for (const datagram of sent) {
    assert.equal(Buffer.from(datagram.subarray(0, 2)).toString('hex'), 'c802')
    assert.equal(Buffer.from(datagram).readUInt16BE(2), datagram.length)
    const { avps } = decodeAvpList(datagram.subarray(12))
    for (const [index, avp] of avps.entries()) {
      assert.equal(avp.type === 0, index === 0)
      assert.equal(avp.hidden, false)
      assert.equal(avp.mandatory, mandatory.get(avp.type))
    }
  }
})

test('Android: window 1, host "anonymous": one message at a time', () => {
  const bench = new Bench()
  const peer = bench.peer()
  peer.establish({ receiveWindowSize: 1, hostName: 'anonymous' })
  peer.call(1)
  peer.call(2)
  bench.act((endpoint, now) => endpoint.shutdown(now))
  for (const type of ['CDN', 'CDN', 'StopCCN']) {
    assert.deepEqual(peer.types(), [type])
    peer.zlb()
  }
  assert.ok(bench.endpoint.isIdle())
})

test('Android: waits for the acknowledgement of SCCCN and of ICCN, which comes at once', () => {
  const bench = new Bench()
  const peer = bench.peer()
  peer.sccrq()
  peer.expect('SCCRP')
  peer.send({ type: 'SCCCN', avps: {} })
  assert.deepEqual(peer.types(), ['ZLB'])
  peer.icrq(1)
  const { assignedSessionId } = peer.expect('ICRP').avps
  peer.iccn(assignedSessionId)
  assert.deepEqual(peer.types(), ['ZLB'])
  assert.equal(bench.now, 0)
})

test('Android: an LCP request that came before it listens is lost, so ours is repeated', () => {
  const bench = new Bench()
  const peer = bench.peer().establish()
  peer.call()
  const requests = () =>
    peer.frames().filter(({ frame }) => decodePppFrame(frame)?.protocol === PPP.LCP).length
  assert.equal(requests(), 1)
  bench.advance(10_000)
  assert.ok(requests() >= 2)
})

test('Android: a StopCCN with a Result Code of 2 octets and no CDN before it', () => {
  const bench = new Bench()
  const peer = bench.peer().establish()
  peer.call()
  sendRaw(peer, STOP_CCN, '8008 0000 0009 0001 8008 0000 0001 0001')
  assert.deepEqual(peer.types(), ['ZLB'])
  assert.equal(bench.eventsOf('sessionDown').length, 1)
  assert.equal(bench.eventsOf('tunnelDown')[0]?.reason.resultCode, 1)
})

test('MikroTik: a Result Code of 8 octets', () => {
  const bench = new Bench()
  const peer = bench.peer().establish()
  const call = peer.call(1)
  sendRaw(peer, CDN, '8008 0000 000e 0001 800e 0000 0001 0003 0000 0000 0000', call)
  assert.equal(bench.eventsOf('sessionDown')[0]?.reason.resultCode, 3)
  assert.equal(bench.endpoint.tunnels().length, 1)
})

test('MikroTik: control messages in any order, and each twice', () => {
  const bench = new Bench()
  const peer = bench.peer()
  peer.sccrq()
  peer.expect('SCCRP')
  const icrq = { assignedSessionId: 1, callSerialNumber: 1 }
  const late = peer.ns
  peer.send({ type: 'ICRQ', avps: icrq }, { ns: late + 1 })
  peer.send({ type: 'ICRQ', avps: icrq }, { ns: late + 1 })
  assert.deepEqual(peer.types(), [], 'nothing new to acknowledge')
  peer.send({ type: 'SCCCN', avps: {} }, { ns: late })
  peer.send({ type: 'SCCCN', avps: {} }, { ns: late })
  assert.deepEqual(peer.types(), ['ICRP', 'ZLB'])
  assert.equal(bench.endpoint.sessions().length, 1)
})

test('xl2tpd: any source port, answered where it came from', () => {
  const bench = new Bench()
  const peer = bench.peer({ address: '198.51.100.7', port: 53_211 }).establish()
  peer.call()
  assert.deepEqual(bench.endpoint.tunnels()[0]?.path, peer.path)
})

test('xl2tpd: a ZLB with a session id', () => {
  const bench = new Bench()
  const peer = bench.peer().establish()
  peer.icrq(1)
  const { assignedSessionId } = peer.expect('ICRP').avps
  peer.zlb({ sessionId: assignedSessionId })
  bench.advance(5000)
  assert.deepEqual(peer.types(), [], 'ICRP is acknowledged')
})

test('carrier LACs: proxy LCP and authentication in ICCN, PPP before our acknowledgement', () => {
  const bench = new Bench()
  const peer = bench.peer().establish()
  peer.icrq(1)
  const { assignedSessionId } = peer.expect('ICRP').avps
  peer.frame(assignedSessionId, bytes('ff03 c021 0101 0004'))
  peer.send(
    {
      type: 'ICCN',
      avps: {
        txConnectSpeed: 1_000_000,
        framingType: { async: false, sync: true },
        initialReceivedLcpConfReq: bytes('0104 05dc'),
        lastSentLcpConfReq: bytes('0104 05dc'),
        lastReceivedLcpConfReq: bytes('0104 05dc'),
        proxyAuthenType: 2,
        proxyAuthenName: 'user',
        proxyAuthenChallenge: new Uint8Array(16),
        proxyAuthenId: 1,
        proxyAuthenResponse: new Uint8Array(16),
        rxConnectSpeed: 1_000_000,
      },
    },
    { sessionId: assignedSessionId },
  )
  assert.equal(bench.endpoint.sessions()[0]?.phase, 'established')
})

test('mpd5: more AVPs in SCCCN than the RFC lists', () => {
  const bench = new Bench()
  const peer = bench.peer()
  peer.sccrq()
  peer.expect('SCCRP')
  peer.send({ type: 'SCCCN', avps: { hostName: 'mpd', vendorName: 'FreeBSD MPD', firmwareRevision: 5 } })
  assert.equal(bench.eventsOf('tunnelUp').length, 1)
})

test('phones behind one NAT: many tunnels of one address, and nothing is taken from a port that did not prove itself', () => {
  const bench = new Bench({ l2tp: { maxHalfOpenPerSource: 4 } })
  const phones = Array.from({ length: 50 }, (_, index) =>
    bench.peer({ address: '198.51.100.7', port: 1701 + index }, 1).establish(),
  )
  assert.equal(bench.endpoint.tunnels().length, 50, 'a tunnel that is open is no longer half open')
  const [moved] = phones
  assert.ok(moved !== undefined)
  const elsewhere = bench.peer({ address: '198.51.100.7', port: 60_000 }, 1)
  elsewhere.theirId = moved.theirId
  elsewhere.ns = moved.ns
  elsewhere.send({ type: 'HELLO', avps: {} })
  assert.deepEqual(elsewhere.types(), [])
  assert.deepEqual(bench.drops(), ['wrong-source'])
})
