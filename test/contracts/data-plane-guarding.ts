/** What a data plane lets nobody do. */
import assert from 'node:assert/strict'
import type { DropReason } from '../../core/flow.ts'
import { encodeControlDatagram, encodeDataDatagram } from '../../core/wire/l2tp-header.ts'
import { encodePppFrame, PPP } from '../../core/wire/ppp-frame.ts'
import { ipv4, sum16 } from '../support/ip-packets.ts'
import { until } from '../support/until.ts'
import {
  type Behaviour,
  counters,
  flowOf,
  fromInside,
  fromSession,
  hex,
  INSIDE,
  innerAddress,
  MTU_BYTES,
  PORT,
  toInside,
  UNCOMPRESSED,
} from './data-plane-bench.ts'

export function guarding(behaviour: Behaviour): void {
  behaviour('what must not pass is dropped, counted for its flow, and harms no other', async open => {
    const { plane, peer, lns, path, out, flush } = await open()
    await plane.setLocalPrefixes([{ address: '192.168.9.9', length: 32 }])
    await plane.upsert([flowOf(1, path)])
    const good = toInside(1)
    const patched = (at: number, ...bytes: number[]) => {
      const packet = good.slice()
      packet.set(bytes, at)
      return packet
    }
    const bad: readonly (readonly [DropReason, Uint8Array])[] = [
      ['malformed-ip', new Uint8Array(0)],
      ['malformed-ip', good.subarray(0, 19)],
      ['malformed-ip', patched(0, 0x44)],
      ['malformed-ip', patched(0, 0x4f)],
      ['malformed-ip', patched(0, 0x65)],
      ['malformed-ip', patched(2, 0, 19)],
      ['malformed-ip', patched(2, 0, good.length + 1)],
      ['malformed-ip', patched(8, 63)],
      ['malformed-ip', toInside(1, { options: Uint8Array.of(7, 5, 4, 0) })],
      ['malformed-ip', toInside(1, { options: Uint8Array.of(7, 0, 0, 0) })],
      ['source-route', toInside(1, { options: Uint8Array.of(131, 3, 4, 0) })],
      ['source-route', toInside(1, { options: Uint8Array.of(1, 137, 3, 4) })],
      ['spoofed-source', ipv4({ source: innerAddress(0), destination: INSIDE })],
      ['spoofed-source', ipv4({ source: INSIDE, destination: INSIDE })],
      ...[
        '192.168.9.9',
        '0.0.0.0',
        '0.1.2.3',
        '127.0.0.1',
        '169.254.0.1',
        '224.0.0.1',
        '239.255.255.250',
        '240.0.0.1',
        '255.255.255.255',
      ].map(destination => ['local-destination', ipv4({ source: innerAddress(1), destination })] as const),
    ]
    for (const [, packet] of bad) peer.send(lns, fromSession(1, packet))
    await flush()
    assert.deepEqual(out, [])
    const wanted: Partial<Record<DropReason, bigint>> = {}
    for (const [reason] of bad) wanted[reason] = (wanted[reason] ?? 0n) + 1n
    assert.deepEqual(counters(plane, 1), {
      packetsIn: 0n,
      octetsIn: 0n,
      packetsOut: 0n,
      octetsOut: 0n,
      drops: wanted,
    })
    assert.deepEqual(counters(plane, 0).drops, {})
  })

  behaviour('drops are told with reason, flow and addresses', async open => {
    const { peer, lns, events, flush } = await open()
    peer.send(lns, fromSession(0, ipv4({ source: '10.9.9.9', destination: INSIDE })))
    await flush()
    const drop = () => events.find(event => event.kind === 'drop' && event.reason === 'spoofed-source')
    await until('the event', () => drop() !== undefined)
    assert.deepEqual(drop(), {
      kind: 'drop',
      reason: 'spoofed-source',
      flowId: 0,
      source: '10.9.9.9',
      destination: INSIDE,
    })
  })

  behaviour('ids count only below the address, and only from the peer’s own address and port', async open => {
    const bench = await open()
    const { plane, addresses, peer, flush, out } = bench
    const stranger = await bench.makePeer()
    stranger.send(bench.lns, fromSession(0, toInside(0)))
    peer.send({ address: addresses[1], port: PORT }, fromSession(0, toInside(0)))
    await until('the address is counted', () => plane.totals().drops['unknown-flow'] === 1n)
    await flush()
    // A NAT may have given the peer another port: that is for the control plane to find out.
    const handedUp = () => bench.events.flatMap(event => (event.kind === 'datagram' ? [event] : []))
    await until('the port is handed up', () => handedUp().length === 1)
    assert.equal(hex(handedUp()[0]?.bytes ?? assert.fail()), hex(fromSession(0, toInside(0))))
    assert.deepEqual(out, [])
    assert.equal(counters(plane, 0).packetsIn, 1n)
  })

  behaviour('what is not forwarded of an open flow is handed up whole', async open => {
    const { peer, lns, path, events, out, flush } = await open()
    const echo = fromSession(0, Uint8Array.of(9, 1, 0, 8, 0, 0, 0, 0), PPP.LCP)
    const ipv6 = fromSession(0, new Uint8Array(40), PPP.IPV6)
    const unknown = encodeDataDatagram(
      { tunnelId: 5, sessionId: 6, length: true, priority: false },
      encodePppFrame(PPP.LCP, Uint8Array.of(1, 1, 0, 4), UNCOMPRESSED),
    )
    for (const datagram of [echo, ipv6, unknown]) peer.send(lns, datagram)
    await flush()
    const handedUp = () => events.flatMap(event => (event.kind === 'datagram' ? [event] : []))
    await until('three', () => handedUp().length === 3)
    assert.deepEqual(
      handedUp().map(({ bytes }) => hex(bytes)),
      [echo, ipv6, unknown].map(hex),
    )
    for (const event of handedUp()) assert.deepEqual(event.path, path)
    assert.deepEqual(out, [])
  })

  behaviour('a packet beyond the flow’s MTU is answered as RFC 1191 says, and counted', async open => {
    const { plane, peer, inject, out, packetsOut } = await open()
    const fits = fromInside(0, { payload: new Uint8Array(MTU_BYTES - 20) })
    const large = fromInside(0, { payload: new Uint8Array(MTU_BYTES - 19) })
    const largeIcmp = (type: number) =>
      fromInside(0, { protocol: 1, payload: new Uint8Array(MTU_BYTES).fill(type) })
    // RFC 1122 3.2.2: no error about an error or about a later fragment.
    inject(largeIcmp(3))
    inject(fromInside(0, { payload: new Uint8Array(MTU_BYTES), fragment: 0x0001 }))
    const options = new Uint8Array(40).fill(1)
    const largest = fromInside(0, { payload: new Uint8Array(MTU_BYTES), options })
    for (const packet of [large, largeIcmp(8), largest]) inject(packet)
    inject(fits)
    await until('the one that fits', () => peer.received.length === 1)
    await packetsOut(3)
    const [answer = assert.fail()] = out
    assert.equal(counters(plane, 0).drops['too-big'], 5n)
    for (const packet of out) {
      assert.deepEqual([...packet.subarray(0, 4)], [0x45, 0, 0, packet.length])
      assert.equal(sum16(packet.subarray(0, 20)) + sum16(packet.subarray(20)), 0, 'both checksums')
    }
    assert.equal(hex(answer.subarray(20, 22)), '0304')
    assert.equal(hex(answer.subarray(24, 28)), `0000${MTU_BYTES.toString(16).padStart(4, '0')}`)
    assert.equal(hex(answer.subarray(12, 20)), hex(Uint8Array.from([10, 0, 0, 0, 192, 168, 1, 1])))
    assert.deepEqual(
      out.map(packet => hex(packet.subarray(28))),
      [large.subarray(0, 28), largeIcmp(8).subarray(0, 28), largest.subarray(0, 68)].map(hex),
    )
  })

  behaviour('junk is survived and counted', async open => {
    const { plane, peer, lns, out, flush } = await open()
    const data = fromSession(0, toInside(0))
    for (let length = 0; length < 20; length++) peer.send(lns, data.subarray(0, length))
    for (const flags of [0x0001, 0x0003, 0xffff, 0x4202, 0x0202, 0xc802, 0x4b02])
      peer.send(
        lns,
        Uint8Array.from([flags >> 8, flags & 0xff, 0xff, 0xff, 0x03, 0xe8, 0x07, 0xd0, 0xff, 0xff]),
      )
    peer.send(lns, new Uint8Array(9000).fill(0xff))
    await flush()
    assert.deepEqual(out, [])
    const { drops, handedUp, notHandedUp } = plane.totals()
    assert.ok(handedUp > 0n)
    assert.equal(notHandedUp, 1n, 'the oversized one')
    assert.deepEqual(counters(plane, 0).drops, {})
    assert.ok(Object.keys(drops).every(reason => reason === 'unknown-flow'))
  })

  behaviour(
    'what is handed up is bounded, for each flow and in all, and leaves room for control',
    async open => {
      const { plane, path, peer, lns, events, flush } = await open()
      await plane.upsert([flowOf(1, path)])
      const flood = fromSession(1, Uint8Array.of(9, 1, 0, 8, 0, 0, 0, 0), PPP.LCP)
      const echo = fromSession(0, Uint8Array.of(9, 1, 0, 8, 0, 0, 0, 0), PPP.LCP)
      const control = encodeControlDatagram({ tunnelId: 0, sessionId: 0, ns: 0, nr: 0 }, new Uint8Array(0))
      const seen = (bytes: Uint8Array) =>
        events.filter(event => event.kind === 'datagram' && hex(event.bytes) === hex(bytes)).length
      let sent = 0n
      // Bursts that a socket buffer holds, until one flow has used up its share of a window.
      await until('some are refused', () => {
        for (let i = 0; i < 100; i++) peer.send(lns, flood)
        sent += 100n
        return plane.totals().notHandedUp > 0n
      })
      peer.send(lns, control)
      peer.send(lns, echo)
      await flush()
      await until('control and the other flow’s echo', () => seen(control) === 1 && seen(echo) === 1)
      const { handedUp, notHandedUp } = plane.totals()
      assert.ok(handedUp + notHandedUp <= sent + 2n)
      assert.equal(BigInt(seen(flood)), handedUp - 2n)
    },
  )
}
