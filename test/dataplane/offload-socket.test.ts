import assert from 'node:assert/strict'
import test from 'node:test'
import { superBatch } from '../../core/dataplane/offload/layout.ts'
import type { PacketBatch } from '../../core/dataplane/ports.ts'
import { ERRNO } from '../../core/dataplane/tun/libc.ts'
import { OffloadSocket } from '../../core/dataplane/tun/offload-socket.ts'
import { FakeCalls, segmentBytes } from './fake-calls.ts'

const LNS = { address: '192.0.2.1', port: 1701 }

/** Packets 0 to before `lengths.length`, to peers by number. */
function outgoing(lengths: readonly (readonly [octets: number, peer: number])[]): PacketBatch {
  const batch = superBatch(4096)
  let at = 16
  for (const [i, [octets, peer]] of lengths.entries()) {
    batch.bytes.fill(i + 1, at, at + octets)
    batch.at[i] = at
    // Every third one is in two pieces.
    batch.restLength[i] = i % 3 === 2 ? octets >> 1 : 0
    batch.restAt[i] = at + octets - (octets >> 1)
    batch.length[i] = octets
    batch.remoteAddress[i] = peer
    batch.remotePort[i] = 1701
    at += octets
  }
  return batch
}
const sentBy = (calls: FakeCalls) => calls.sent.map(message => [message.bytes.length, segmentBytes(message)])
const lost = (batch: PacketBatch, count: number) =>
  Array.from(batch.length.subarray(0, count), n => (n === 0 ? 1 : 0))

test('datagrams of one length to one peer go as one, the last may be shorter, another length or peer begins anew', () => {
  const calls = new FakeCalls()
  const lengths = [
    ...[100, 100, 100, 60, 60, 70].map(octets => [octets, 1] as const),
    [70, 2],
    [70, 1],
  ] as const
  const batch = outgoing(lengths)
  new OffloadSocket(-1, LNS, calls).send(batch, 0, lengths.length)
  assert.deepEqual(sentBy(calls), [
    [360, 100],
    [60, undefined],
    [70, undefined],
    [70, undefined],
    [70, undefined],
  ])
  const octets = lengths.flatMap(([length], i) => new Array<number>(length).fill(i + 1))
  assert.deepEqual([...Buffer.concat(calls.sent.map(({ bytes }) => bytes))], octets)
})

test('no more go as one than the kernel takes', () => {
  for (const [count, octets, most] of [
    [200, 100, 64],
    [200, 1400, 46],
  ] as const) {
    const calls = new FakeCalls()
    new OffloadSocket(-1, LNS, calls).send(
      outgoing(Array.from({ length: count }, () => [octets, 1] as const)),
      0,
      count,
    )
    assert.equal(Math.max(...calls.sent.map(({ bytes }) => bytes.length)), most * octets)
    assert.equal(
      calls.sent.reduce((sum, { bytes }) => sum + bytes.length, 0),
      count * octets,
    )
  }
})

test('a peer to whom the kernel cannot cut is sent single datagrams, and others are not', () => {
  for (const fault of [ERRNO.EINVAL, ERRNO.EMSGSIZE, ERRNO.EIO]) {
    const calls = new FakeCalls()
    const socket = new OffloadSocket(-1, LNS, calls)
    const lengths = [1, 1, 1, 2, 2].map(peer => [100, peer] as const)
    calls.sendFaults.push(fault)
    const batch = outgoing(lengths)
    socket.send(batch, 0, lengths.length)
    const expected = [...new Array(3).fill([100, undefined]), [200, 100]]
    assert.deepEqual(sentBy(calls), expected)
    assert.deepEqual(lost(batch, 5), [0, 0, 0, 0, 0])
    calls.sent.length = 0
    socket.send(outgoing(lengths), 0, lengths.length)
    assert.deepEqual(sentBy(calls), expected, 'it is remembered')
    assert.deepEqual(
      [...Buffer.concat(calls.sent.map(({ bytes }) => bytes))].filter((_, i) => i % 100 === 0),
      [1, 2, 3, 4, 5],
    )
  }
})

test('a full send buffer is waited for once, and then the batch is lost; what is refused otherwise is lost by itself', () => {
  const lengths = [1, 1, 2, 2].map(peer => [100, peer] as const)
  const waited = new FakeCalls()
  waited.sendFaults.push(ERRNO.EAGAIN)
  const all = outgoing(lengths)
  new OffloadSocket(-1, LNS, waited).send(all, 0, 4)
  assert.deepEqual(lost(all, 4), [0, 0, 0, 0])
  const cases: readonly (readonly [number, readonly number[], readonly number[]])[] = [
    [ERRNO.EAGAIN, [0], [1, 1, 1, 1]],
    [ERRNO.ENOBUFS, [], [1, 1, 0, 0]],
    [ERRNO.EPERM, [], [1, 1, 0, 0]],
  ]
  for (const [fault, polls, gone] of cases) {
    const calls = new FakeCalls()
    calls.sendFaults.push(fault)
    calls.polls.push(...polls)
    const batch = outgoing(lengths)
    new OffloadSocket(-1, LNS, calls).send(batch, 0, 4)
    assert.deepEqual(lost(batch, 4), gone, String(fault))
    assert.deepEqual(sentBy(calls), gone.includes(0) ? [[200, 100]] : [])
  }
})
