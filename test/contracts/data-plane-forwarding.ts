/** The way of packets through a data plane. */
import assert from 'node:assert/strict'
import { decodeHeader, encodeControlDatagram, encodeDataDatagram } from '../../core/wire/l2tp-header.ts'
import { decodePppFrame, encodePppFrame, PPP } from '../../core/wire/ppp-frame.ts'
import { ipv4, tcp, tcpChecksumHolds } from '../support/ip-packets.ts'
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
  OTHER_PORT,
  PORT,
  toInside,
  UNCOMPRESSED,
} from './data-plane-bench.ts'

export function forwarding(behaviour: Behaviour): void {
  behaviour('packets pass both ways unchanged, and are counted by their inner octets', async open => {
    const { plane, peer, lns, inject, out, packetsOut } = await open()
    const up = toInside(0, { payload: new Uint8Array(100).fill(7) })
    const down = fromInside(0, { payload: new Uint8Array(300).fill(9) })
    for (let i = 0; i < 3; i++) peer.send(lns, fromSession(0, up))
    await packetsOut(3)
    assert.deepEqual(out.map(hex), [hex(up), hex(up), hex(up)])
    inject(down)
    inject(down)
    await until('two datagrams at the peer', () => peer.received.length === 2)
    const [{ bytes, from } = assert.fail()] = peer.received
    assert.deepEqual(from, lns)
    assert.equal(
      hex(bytes),
      hex(
        encodeDataDatagram(
          { tunnelId: 3000, sessionId: 4000, length: true, priority: false },
          encodePppFrame(PPP.IPV4, down, UNCOMPRESSED),
        ),
      ),
    )
    const { packetsIn, octetsIn, packetsOut: sent, octetsOut, drops } = counters(plane, 0)
    assert.deepEqual(
      { packetsIn, octetsIn, sent, octetsOut, drops },
      {
        packetsIn: 3n,
        octetsIn: 360n,
        sent: 2n,
        octetsOut: 640n,
        drops: {},
      },
    )
  })

  behaviour('every form of the headers is understood', async open => {
    const { peer, lns, out, packetsOut } = await open()
    const packet = toInside(0)
    const frames = [[0xff, 0x03, 0x00, 0x21], [0xff, 0x03, 0x21], [0x00, 0x21], [0x21]].map(head =>
      Uint8Array.from([...head, ...packet]),
    )
    let sent = 0
    for (const length of [false, true]) {
      for (const sequence of [undefined, { ns: 65_535, nr: 3 }]) {
        for (const offsetBytes of [undefined, 0, 5]) {
          for (const priority of [false, true]) {
            const header = {
              tunnelId: 1000,
              sessionId: 2000,
              length,
              priority,
              ...(sequence && { sequence }),
              ...(offsetBytes !== undefined && { offsetBytes }),
            }
            for (const frame of frames) {
              peer.send(lns, encodeDataDatagram(header, frame))
              sent++
            }
          }
        }
      }
    }
    await packetsOut(sent)
    assert.deepEqual(new Set(out.map(hex)), new Set([hex(packet)]))
    assert.equal(out.length, sent)
  })

  behaviour('a flow is sent to as its header says', async open => {
    const { plane, path, peer, inject } = await open()
    const down = fromInside(0)
    const forms = [
      { length: false, acfc: false, pfc: false, sequence: false },
      { length: true, acfc: true, pfc: false, sequence: false },
      { length: true, acfc: false, pfc: true, sequence: false },
      { length: false, acfc: true, pfc: true, sequence: true },
    ]
    for (const { sequence, ...header } of forms) {
      const needs = { sequence, shaping: false, mss: true, nat: false }
      await plane.upsert([flowOf(0, path, { header, needs })])
      for (const ns of [0, 1]) {
        peer.received.length = 0
        inject(down)
        await until('the datagram', () => peer.received.length === 1)
        const decoded = decodeHeader(peer.received[0]?.bytes ?? assert.fail())
        assert.ok(decoded.kind === 'data')
        assert.equal(decoded.header.length, header.length)
        assert.deepEqual(decoded.header.sequence, sequence ? { ns, nr: 0 } : undefined)
        assert.equal(hex(decoded.payload), hex(encodePppFrame(PPP.IPV4, down, header)))
      }
    }
  })

  behaviour('octets behind the total length are trimmed', async open => {
    const { peer, lns, out, packetsOut, inject } = await open()
    const packet = toInside(0)
    peer.send(lns, fromSession(0, Uint8Array.from([...packet, 1, 2, 3])))
    await packetsOut(1)
    assert.deepEqual(out.map(hex), [hex(packet)])
    inject(Uint8Array.from([...fromInside(0), 1, 2, 3]))
    await until('the datagram', () => peer.received.length === 1)
    const decoded = decodeHeader(peer.received[0]?.bytes ?? assert.fail())
    assert.equal(
      hex(
        decodePppFrame(decoded.kind === 'data' ? decoded.payload : assert.fail())?.payload ?? assert.fail(),
      ),
      hex(fromInside(0)),
    )
  })

  behaviour('the MSS of SYNs is clamped both ways with a right checksum, of nothing else', async open => {
    const { plane, path, peer, lns, inject, out, packetsOut } = await open()
    const mss = (value: number) => [2, 4, value >> 8, value & 0xff]
    const ends = { source: innerAddress(0), destination: INSIDE }
    const segment = (options: readonly number[], flags = 0x02) =>
      tcp({ ...ends, options, flags, data: Uint8Array.of(1, 2, 3) })
    const syns = [
      mss(1460),
      [1, ...mss(1460), 1, 1, 1],
      [1, 1, ...mss(9000), 3, 3, 7, 1, 1, 0],
      [...mss(1361), 4, 2, 0, 0],
    ]
    for (const options of syns)
      peer.send(lns, fromSession(0, toInside(0, { protocol: 6, payload: segment(options) })))
    await packetsOut(syns.length)
    for (const [i, packet] of out.entries()) {
      assert.ok(tcpChecksumHolds(packet), `checksum of SYN ${i}`)
      const at = hex(packet).indexOf('0204', 80)
      assert.equal(hex(packet).slice(at, at + 8), '02040550', `MSS of SYN ${i}`)
    }
    out.length = 0
    const untouched = [
      segment(mss(1360)),
      segment(mss(1460), 0x10),
      segment([2, 3, 5, 0xb4]),
      segment([2, 5, 5, 0xb4]),
      segment([8, 0, 2, 4, 5, 0xb4, 0, 0]),
      segment([0, ...mss(1460), 0, 0, 0]),
    ].map(payload => toInside(0, { protocol: 6, payload }))
    for (const packet of untouched) peer.send(lns, fromSession(0, packet))
    await packetsOut(untouched.length)
    assert.deepEqual(out.map(hex), untouched.map(hex))

    const syn = tcp({ source: INSIDE, destination: innerAddress(0), flags: 0x12, options: mss(1460) })
    inject(fromInside(0, { protocol: 6, payload: syn }))
    await until('the SYN ACK', () => peer.received.length === 1)
    const sent = peer.received[0]?.bytes.subarray(12) ?? assert.fail()
    assert.ok(tcpChecksumHolds(sent))
    assert.ok(hex(sent).endsWith('02040550'))

    out.length = 0
    await plane.upsert([
      flowOf(0, path, { needs: { sequence: false, shaping: false, mss: false, nat: false } }),
    ])
    const free = toInside(0, { protocol: 6, payload: segment(mss(1460)) })
    peer.send(lns, fromSession(0, free))
    await packetsOut(1)
    assert.deepEqual(out.map(hex), [hex(free)])
  })

  behaviour('replies leave from the address that was addressed, also on a wildcard', async open => {
    const { plane, addresses, path, peer, inject, events, packetsOut } = await open()
    const other = { address: addresses[1], port: PORT }
    await plane.upsert([flowOf(1, { ...path, local: other })])
    peer.send(other, fromSession(1, toInside(1)))
    await packetsOut(1)
    inject(fromInside(1))
    inject(fromInside(0))
    await until('both', () => peer.received.length === 2)
    assert.deepEqual(peer.received.map(({ from }) => from.address).sort(), [...addresses].sort())

    const control = encodeControlDatagram({ tunnelId: 0, sessionId: 0, ns: 0, nr: 0 }, new Uint8Array(0))
    peer.send(other, control)
    const handedUp = () => events.find(event => event.kind === 'datagram')
    await until('the control message', () => handedUp() !== undefined)
    const event = handedUp()
    assert.ok(event?.kind === 'datagram')
    assert.deepEqual(event.path, { local: other, remote: peer.address })
    assert.equal(hex(event.bytes), hex(control))
    peer.received.length = 0
    plane.send(event.path, control)
    await until('the reply', () => peer.received.length === 1)
    assert.deepEqual(peer.received[0]?.from, other)
  })

  behaviour('each flow leaves by the port that its peer addressed', async open => {
    const { plane, path, lns, peer, inject } = await open()
    const other = { ...lns, port: OTHER_PORT }
    const every = Array.from({ length: 6 }, (_, n) => n)
    await plane.upsert(every.map(n => flowOf(n, { ...path, local: n % 3 === 0 ? lns : other })))
    for (const n of every) inject(fromInside(n))
    await until('all', () => peer.received.length === every.length)
    const ports = peer.received.map(({ bytes, from }) => [
      ((bytes[6] ?? 0) << 8) + (bytes[7] ?? 0) - 4000,
      from.port,
    ])
    assert.deepEqual(
      ports.sort(([a = 0], [b = 0]) => a - b),
      every.map(n => [n, n % 3 === 0 ? PORT : OTHER_PORT]),
    )
  })

  behaviour('many flows keep apart', async open => {
    const { plane, path, peer, lns, inject, out, packetsOut } = await open()
    const count = 500
    await plane.upsert(Array.from({ length: count }, (_, n) => flowOf(n, path)))
    const every = Array.from({ length: count }, (_, n) => n)
    for (const n of every) {
      peer.send(lns, fromSession(n, toInside(n)))
      if (n % 50 === 49) await packetsOut(n + 1)
    }
    assert.deepEqual(new Set(out.map(hex)), new Set(every.map(n => hex(toInside(n)))))
    for (const n of every) {
      inject(fromInside(n))
      if (n % 50 === 49) await until('the datagrams', () => peer.received.length === n + 1)
    }
    const ids = peer.received.map(({ bytes }) => [bytes[4], bytes[5], bytes[6], bytes[7]].join())
    assert.equal(new Set(ids).size, count)
    assert.deepEqual(
      plane.readCounters(0, count).map(({ packetsIn, packetsOut: sent }) => [packetsIn, sent]),
      every.map(() => [1n, 1n]),
    )
    const half = every.filter(n => n % 2 === 0)
    await plane.remove(half.map(id => ({ id, generation: 1 })))
    out.length = 0
    for (const n of every.slice(0, 50)) peer.send(lns, fromSession(n, toInside(n)))
    await packetsOut(25)
    assert.deepEqual(
      new Set(out.map(hex)),
      new Set(
        every
          .slice(0, 50)
          .filter(n => n % 2 === 1)
          .map(n => hex(toInside(n))),
      ),
    )
  })

  behaviour('the longest prefix wins, and the last of equal ones until it goes', async open => {
    const { plane, path, peer, inject } = await open()
    const net = { address: '10.7.0.0', length: 16 }
    const host = { address: '10.7.0.7', length: 32 }
    await plane.upsert([
      flowOf(1, path, { prefixes: [net] }),
      flowOf(2, path, { prefixes: [host] }),
      flowOf(3, path, { prefixes: [net] }),
    ])
    const sessionThatGets = async (destination: string) => {
      peer.received.length = 0
      inject(ipv4({ source: INSIDE, destination }))
      await until('the datagram', () => peer.received.length === 1)
      const decoded = decodeHeader(peer.received[0]?.bytes ?? assert.fail())
      return decoded.kind === 'data' ? decoded.header.sessionId - 4000 : -1
    }
    assert.equal(await sessionThatGets('10.7.0.7'), 2)
    assert.equal(await sessionThatGets('10.7.0.8'), 3)
    await plane.remove([
      { id: 2, generation: 1 },
      { id: 3, generation: 1 },
    ])
    assert.equal(await sessionThatGets('10.7.0.7'), 1)
    assert.equal(await sessionThatGets('10.7.0.8'), 1)
  })
}
