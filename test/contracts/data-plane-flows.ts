/** How flows and rules come, change and go. */
import assert from 'node:assert/strict'
import type { AclRule } from '../../core/flow.ts'
import { encodeDataDatagram } from '../../core/wire/l2tp-header.ts'
import { encodePppFrame, PPP } from '../../core/wire/ppp-frame.ts'
import { ipv4, udp } from '../support/ip-packets.ts'
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
  PERMIT_ALL,
  toInside,
  UNCOMPRESSED,
} from './data-plane-bench.ts'

export function flows(behaviour: Behaviour): void {
  behaviour('removal gives the last counters and lets nothing through afterwards', async open => {
    const { plane, peer, lns, path, inject, out, packetsOut, flush } = await open()
    await plane.upsert([flowOf(1, path), flowOf(2, path)])
    peer.send(lns, fromSession(1, toInside(1)))
    peer.send(lns, fromSession(1, ipv4({ source: '10.9.9.9', destination: INSIDE })))
    await packetsOut(1)
    await flush()
    const [one, none, two] = await plane.remove([
      { id: 1, generation: 1 },
      { id: 1, generation: 7 },
      { id: 2, generation: 1 },
    ])
    const zero = { packetsIn: 0n, octetsIn: 0n, packetsOut: 0n, octetsOut: 0n, drops: {} }
    assert.deepEqual(one, { ...zero, packetsIn: 1n, octetsIn: 28n, drops: { 'spoofed-source': 1n } })
    assert.deepEqual([none, two, counters(plane, 1)], [zero, zero, zero])
    assert.deepEqual(await plane.remove([{ id: 1, generation: 1 }]), [zero], 'a second time there is nothing')

    out.length = 0
    const unknownBefore = plane.totals().drops['unknown-flow'] ?? 0n
    peer.send(lns, fromSession(1, toInside(1)))
    inject(fromInside(1))
    await flush()
    await until('no route', () => plane.totals().drops['no-route'] === 1n)
    assert.equal(plane.totals().drops['unknown-flow'], unknownBefore + 1n)
    assert.deepEqual(out, [])
    assert.equal(peer.received.length, 0)
  })

  behaviour('a generation replaces an older one from zero, an older one changes nothing', async open => {
    const { plane, path, peer, lns, packetsOut } = await open()
    peer.send(lns, fromSession(0, toInside(0)))
    await packetsOut(1)
    await plane.upsert([flowOf(0, path)])
    assert.equal(counters(plane, 0).packetsIn, 1n, 'the same flow again keeps its counters')

    const newer = flowOf(0, path, { generation: 3, localTunnelId: 77, localSessionId: 88 })
    await plane.upsert([newer])
    assert.equal(counters(plane, 0).packetsIn, 0n)
    await plane.upsert([flowOf(0, path, { generation: 2 })])
    assert.deepEqual((await plane.remove([{ id: 0, generation: 2 }]))[0]?.packetsIn, 0n)
    const header = { tunnelId: 77, sessionId: 88, length: false, priority: false }
    const frame = encodePppFrame(PPP.IPV4, toInside(0), UNCOMPRESSED)
    peer.send(lns, fromSession(0, toInside(0)))
    peer.send(lns, encodeDataDatagram(header, frame))
    await packetsOut(2)
    assert.equal(counters(plane, 0).packetsIn, 1n)
    assert.equal(plane.totals().drops['unknown-flow'], 1n)
    await plane.setFlowPolicy(0, 2, [])
    peer.send(lns, encodeDataDatagram(header, frame))
    await packetsOut(3)
    assert.equal((await plane.remove([{ id: 0, generation: 3 }]))[0]?.packetsIn, 2n)
  })

  behaviour('without rules nothing passes; rules count at once; a flow’s own beat its zone’s', async open => {
    const { plane, path, peer, lns, inject, out, packetsOut } = await open({ zone: 'bare' })
    await plane.upsert([flowOf(1, path)])
    const barrier = async () => {
      const seen = out.length
      peer.send(lns, fromSession(1, toInside(1)))
      await packetsOut(seen + 1)
      out.pop()
    }
    const port = (destinationPort: number) =>
      toInside(0, { payload: udp({ source: innerAddress(0), destination: INSIDE, destinationPort }) })
    const policyDrops = () => counters(plane, 0).drops.policy ?? 0n
    peer.send(lns, fromSession(0, toInside(0)))
    inject(fromInside(0))
    await until('both are refused', () => policyDrops() === 2n)

    const dns: AclRule = {
      action: 'permit',
      direction: 'from-session',
      protocol: 17,
      destination: [{ address: INSIDE, length: 32 }],
      destinationPorts: [{ from: 53, to: 53 }],
      name: 'dns',
    }
    await plane.setPolicy('bare', [dns])
    peer.send(lns, fromSession(0, port(53)))
    peer.send(lns, fromSession(0, port(54)))
    peer.send(lns, fromSession(0, toInside(0, { fragment: 0x2001 })))
    inject(fromInside(0))
    await until('three more are refused', () => policyDrops() === 5n)
    await packetsOut(1)
    assert.deepEqual(out.map(hex), [hex(port(53))])

    await plane.setFlowPolicy(0, 1, [{ ...dns, action: 'deny' }, ...PERMIT_ALL])
    peer.send(lns, fromSession(0, port(53)))
    peer.send(lns, fromSession(0, port(54)))
    await packetsOut(2)
    assert.equal(hex(out[1] ?? assert.fail()), hex(port(54)))
    await plane.setPolicy('bare', [])
    peer.send(lns, fromSession(0, port(54)))
    await packetsOut(3)
    await barrier()
    assert.equal(policyDrops(), 6n)
    assert.equal(peer.received.length, 0)
  })

  behaviour('a flow that cannot be carried is refused, and the next one is not', async open => {
    const { plane, path, peer, lns, packetsOut } = await open()
    const refused = [
      flowOf(-1, path),
      flowOf(1 << 20, path),
      flowOf(1, { ...path, local: { address: '192.0.2.77', port: 9 } }),
      flowOf(1, { ...path, remote: { address: otherFamily(path.remote.address), port: 1 } }),
      flowOf(1, path, { prefixes: [{ address: '10.0.0.0', length: 33 }] }),
      flowOf(1, path, { mtuBytes: 60 }),
      flowOf(1, path, { generation: Number.NaN }),
      flowOf(1, path, { upRateBps: 0 }),
      flowOf(1, path, { downRateBps: -1 }),
    ]
    for (const flow of refused) await assert.rejects(plane.upsert([flow]), { code: 'FLOW_REFUSED' })
    await assert.rejects(plane.setPolicy('dmz', [null as never]), 'even what no caller that compiles can ask')
    await plane.upsert([flowOf(1, path)])
    peer.send(lns, fromSession(1, toInside(1)))
    await packetsOut(1)
  })

  behaviour(
    'it stops while idle, once and for all, and then sends nothing and throws nothing',
    async open => {
      const { plane, path, peer, lns, packetsOut } = await open()
      peer.send(lns, fromSession(0, toInside(0)))
      await packetsOut(1)
      await Promise.all([plane.stop(), plane.stop()])
      await plane.stop()
      plane.send(path, Uint8Array.of(1))
      assert.equal(plane.totals().unsent, 1n)
      await assert.rejects(plane.upsert([flowOf(1, path)]), { code: 'DATA_PLANE_DOWN' })
      const [last] = await plane.remove([{ id: 0, generation: 1 }])
      assert.equal(last?.packetsIn, 1n, 'what was counted is not lost')
    },
  )
}

const otherFamily = (address: string): string => (address.includes(':') ? '192.0.2.77' : '2001:db8::1')
