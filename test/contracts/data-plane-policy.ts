/** How a data plane keeps to rules: conversations, what is told of a refusal, and what is counted. */
import assert from 'node:assert/strict'
import type { AclRule } from '../../core/flow.ts'
import { decodeHeader } from '../../core/wire/l2tp-header.ts'
import { decodePppFrame, PPP } from '../../core/wire/ppp-frame.ts'
import { ipv4, ipv6, sum16, tcp, tcpChecksumHolds, udp } from '../support/ip-packets.ts'
import { until } from '../support/until.ts'
import {
  type Behaviour,
  counters,
  flowOf,
  fromSession,
  hex,
  INSIDE,
  innerAddress,
  type Peer,
} from './data-plane-bench.ts'

const US = innerAddress(0)
const OUT: AclRule = { action: 'permit', direction: 'from-session', name: 'out' }
const up = { source: US, destination: INSIDE }
const down = { source: INSIDE, destination: US }
const segment = (ends: typeof up, sourcePort: number, destinationPort: number, flags = 0x10) =>
  ipv4({ ...ends, protocol: 6, payload: tcp({ ...ends, sourcePort, destinationPort, flags }) })
const datagram = (ends: typeof up, sourcePort: number, destinationPort: number) =>
  ipv4({ ...ends, payload: udp({ ...ends, sourcePort, destinationPort }) })

/** The IP packets that a peer was sent. */
const packetsAt = (peer: Peer, protocol: number = PPP.IPV4): readonly Uint8Array[] =>
  peer.received.flatMap(({ bytes }) => {
    const decoded = decodeHeader(bytes)
    const frame = decoded.kind === 'data' ? decodePppFrame(decoded.payload) : undefined
    return frame?.protocol === protocol ? [frame.payload] : []
  })

export function policy(behaviour: Behaviour): void {
  behaviour('what a session was permitted to ask is answered, and nobody else speaks to it', async open => {
    const { plane, peer, lns, inject, packetsOut } = await open()
    await plane.setFlowPolicy(0, 1, [OUT])
    inject(datagram(down, 53, 4000))
    await until('nobody asked', () => counters(plane, 0).drops.policy === 1n)
    peer.send(lns, fromSession(0, datagram(up, 4000, 53)))
    await packetsOut(1)
    inject(datagram(down, 53, 4001))
    inject(datagram(down, 53, 4000))
    await until('the answer', () => peer.received.length === 1)
    assert.deepEqual(packetsAt(peer).map(hex), [hex(datagram(down, 53, 4000))])
    assert.equal(counters(plane, 0).drops.policy, 2n)
  })

  behaviour('a live session keeps what other rules permit too, and loses the rest at once', async open => {
    const { plane, peer, lns, inject, packetsOut } = await open()
    await plane.setFlowPolicy(0, 1, [OUT])
    for (const port of [53, 80]) peer.send(lns, fromSession(0, datagram(up, 4000, port)))
    await packetsOut(2)
    await plane.setFlowPolicy(0, 1, [{ ...OUT, protocol: 17, destinationPorts: [{ from: 53, to: 53 }] }])
    inject(datagram(down, 80, 4000))
    inject(datagram(down, 53, 4000))
    await until('one of two answers', () => peer.received.length === 1)
    assert.deepEqual(packetsAt(peer).map(hex), [hex(datagram(down, 53, 4000))])
    assert.equal(counters(plane, 0).drops.policy, 1n)
  })

  behaviour('a new session in the place of an old one inherits no conversation', async open => {
    const { plane, path, peer, lns, inject, packetsOut } = await open()
    await plane.setFlowPolicy(0, 1, [OUT])
    peer.send(lns, fromSession(0, datagram(up, 4000, 53)))
    await packetsOut(1)
    await plane.remove([{ id: 0, generation: 1 }])
    await plane.upsert([flowOf(0, path, { generation: 2 })])
    await plane.setFlowPolicy(0, 2, [OUT])
    inject(datagram(down, 53, 4000))
    await until('it is refused', () => counters(plane, 0).drops.policy === 1n)
    assert.deepEqual(packetsAt(peer), [])
  })

  behaviour('whoever is rejected is told: by a reset, or by ICMP, on either side', async open => {
    const { plane, peer, lns, inject, out, packetsOut } = await open()
    const reject = (direction: AclRule['direction']): AclRule => ({ action: 'reject', direction, name: 'no' })
    await plane.setFlowPolicy(0, 1, [reject('from-session'), reject('to-session')])
    const syn = segment(up, 4000, 80, 0x02)
    peer.send(lns, fromSession(0, syn))
    peer.send(lns, fromSession(0, datagram(up, 4000, 53)))
    await until('two answers', () => packetsAt(peer).length === 2)
    const [reset = assert.fail(), unreachable = assert.fail()] = packetsAt(peer)
    assert.equal(hex(reset.subarray(12, 20)), hex(Uint8Array.from([192, 168, 1, 1, 10, 0, 0, 0])))
    assert.ok(tcpChecksumHolds(reset) && sum16(reset.subarray(0, 20)) === 0)
    // From port 80, acknowledging the SYN, RST and ACK.
    assert.equal(hex(reset.subarray(20, 34)), '00500fa000000000010203055014')
    assert.equal(hex(unreachable.subarray(20, 22)), '030d')
    assert.equal(sum16(unreachable.subarray(20)), 0)
    assert.equal(hex(unreachable.subarray(28)), hex(datagram(up, 4000, 53).subarray(0, 28)))

    const acknowledging = ipv4({
      ...down,
      protocol: 6,
      payload: tcp({ ...down, sourcePort: 80, destinationPort: 4001, flags: 0x10 }),
    })
    inject(acknowledging)
    inject(ipv4({ ...down, protocol: 6, payload: tcp({ ...down, flags: 0x04 }) }))
    inject(datagram(down, 9, 9))
    await packetsOut(2)
    assert.deepEqual(
      out.map(packet => hex(packet.subarray(20, 22))),
      ['0fa1', '030d'],
    )
    assert.equal(hex((out[0] ?? assert.fail()).subarray(32, 34)), '5004', 'a reset is not answered by one')
    assert.equal(counters(plane, 0).drops.policy, 5n)
  })

  behaviour('over IPv6 as well', async open => {
    const address = '2001:db8:1::9'
    const ends = { source: address, destination: '2001:db8:ff::1' }
    const { plane, peer, lns } = await open({ prefixes: [{ address, length: 128 }] })
    await plane.setFlowPolicy(0, 1, [{ action: 'reject', direction: 'from-session', name: 'no' }])
    const syn = ipv6({ ...ends, protocol: 6, payload: tcp({ ...ends, flags: 0x02 }) })
    const query = ipv6({ ...ends, payload: udp({ ...ends }) })
    for (const packet of [syn, query]) peer.send(lns, fromSession(0, packet, PPP.IPV6))
    await until('two answers', () => packetsAt(peer, PPP.IPV6).length === 2)
    const [reset = assert.fail(), prohibited = assert.fail()] = packetsAt(peer, PPP.IPV6)
    assert.equal(
      hex(reset.subarray(8, 40)),
      hex(Uint8Array.from([...syn.subarray(24, 40), ...syn.subarray(8, 24)])),
    )
    assert.ok(tcpChecksumHolds(reset))
    assert.equal(hex(reset.subarray(52, 54)), '5014')
    assert.equal(hex(prohibited.subarray(40, 42)), '0101')
    assert.equal(hex(prohibited.subarray(48)), hex(query))
  })

  behaviour(
    'rules count what they decide on, by name; a permission that is logged is told once',
    async open => {
      const { plane, peer, lns, events, inject, packetsOut } = await open()
      await plane.setFlowPolicy(0, 1, [
        { ...OUT, action: 'deny', protocol: 6, name: 'no tcp' },
        { ...OUT, log: true, name: 'told' },
      ])
      const query = datagram(up, 4000, 53)
      peer.send(lns, fromSession(0, query))
      peer.send(lns, fromSession(0, query))
      peer.send(lns, fromSession(0, segment(up, 4000, 80)))
      await packetsOut(2)
      inject(datagram(down, 53, 4000))
      inject(datagram(down, 9, 9))
      await until('the answer', () => peer.received.length === 1)
      await until('both refusals', () => counters(plane, 0).drops.policy === 2n)
      const counted = (name: string) => {
        const { packets, octets } =
          plane.readRuleCounters().find(rule => rule.name === name) ?? assert.fail(name)
        return [packets, octets]
      }
      assert.deepEqual(counted('told'), [3n, 3n * BigInt(query.length)])
      assert.deepEqual(counted('no tcp'), [1n, BigInt(segment(up, 4000, 80).length)])
      assert.deepEqual(counted(''), [1n, BigInt(query.length)])
      const told = () => events.filter(({ kind }) => kind === 'permitted')
      await until('the event', () => told().length > 0)
      assert.deepEqual(told(), [{ kind: 'permitted', rule: 'told', flowId: 0, ...up }])
      const refused = () => events.flatMap(event => (event.kind === 'drop' ? [event.rule] : []))
      await until('what was refused', () => refused().length === 2)
      assert.deepEqual(refused(), ['no tcp', undefined])
    },
  )

  behaviour('this host is reached by rules that name it, and by no others', async open => {
    const { plane, peer, lns, inject, packetsOut } = await open()
    const host = '192.168.9.9'
    await plane.setLocalPrefixes([{ address: host, length: 32 }])
    await plane.setFlowPolicy(0, 1, [
      { ...OUT, host: true, protocol: 17, destinationPorts: [{ from: 53, to: 53 }], name: 'dns' },
      OUT,
      { ...OUT, direction: 'to-session', name: 'in' },
    ])
    const toHost = { source: US, destination: host }
    const fromHost = { source: host, destination: US }
    peer.send(lns, fromSession(0, datagram(toHost, 4000, 54)))
    inject(datagram(fromHost, 9, 9))
    await until('both are refused', () => {
      const { drops } = counters(plane, 0)
      return drops['local-destination'] === 1n && drops.policy === 1n
    })
    peer.send(lns, fromSession(0, datagram(toHost, 4000, 53)))
    await packetsOut(1)
    inject(datagram(fromHost, 53, 4000))
    await until('the answer', () => peer.received.length === 1)
  })

  behaviour('a list of rules that many flows have costs next to nothing for each of them', async open => {
    const { plane, path } = await open()
    const rules = Array.from(
      { length: 1000 },
      (_, nth): AclRule => ({
        ...OUT,
        destination: [{ address: `10.${nth >> 8}.${nth & 255}.0`, length: 24 }],
        name: `rule ${nth}`,
      }),
    )
    const before = process.memoryUsage()
    for (let id = 1; id <= 500; id++) {
      await plane.upsert([flowOf(id, path)])
      await plane.setFlowPolicy(id, 1, rules)
    }
    const after = process.memoryUsage()
    const grown = after.arrayBuffers - before.arrayBuffers
    assert.ok(grown < 8 * 2 ** 20, `${grown} octets for one list of ${rules.length} rules`)
  })
}
