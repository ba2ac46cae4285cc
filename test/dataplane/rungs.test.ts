import assert from 'node:assert/strict'
import test from 'node:test'
import { PORTS_NAMES } from '../../core/dataplane/data-plane.ts'
import { hasBatches, openRung } from '../../core/dataplane/tun/rungs.ts'
import { openOffloadTun, TunDevice } from '../../core/dataplane/tun/tun-device.ts'
import { UdpSocket } from '../../core/dataplane/tun/udp-socket.ts'
import { createDataPlane } from '../../core/dataplane/worker-or-dgram.ts'
import { makeNetns, skipWithoutNetns } from '../support/netns.ts'

const skip = skipWithoutNetns
const LOOPBACK = { address: '127.0.0.1', port: 0 }
/** No kernel has an option for it. */
const NO_SOCKET = new UdpSocket(-1, LOOPBACK)

test('the fastest that works is taken, and told', { skip }, async t => {
  const netns = makeNetns(t)
  const plane = createDataPlane({ listen: [LOOPBACK], tun: { name: 'bt0', mtuBytes: 1400 } })
  await netns.inside(() => plane.start())
  const { stages, offloads } = plane.caps
  assert.deepEqual(stages, ['worker'])
  assert.deepEqual(offloads.slice(0, 3), ['udp-gro', 'udp-gso', 'tun-tcp'])
  await plane.stop()
})

test('one that is named is taken, whatever is faster', { skip }, async t => {
  const netns = makeNetns(t)
  const expected = {
    offloads: [['worker'], ['udp-gro', 'udp-gso', 'tun-tcp', 'tun-udp']],
    'offloads-tcp': [['worker'], ['udp-gro', 'udp-gso', 'tun-tcp']],
    batches: [['worker'], []],
    dgram: [['dgram'], []],
  }
  for (const ports of PORTS_NAMES) {
    const plane = createDataPlane({ listen: [LOOPBACK], tun: { name: 'bt0', mtuBytes: 1400 }, ports })
    await netns.inside(() => plane.start())
    assert.deepEqual([plane.caps.stages, plane.caps.offloads], expected[ports])
    await plane.stop()
  }
})

test('where the kernel refuses, the next is taken; one that is named and refused is an error', () => {
  assert.deepEqual(openRung([NO_SOCKET], undefined), { rung: 'batches', tun: undefined })
  for (const name of ['offloads', 'offloads-tcp'] as const)
    assert.throws(() => openRung([NO_SOCKET], undefined, name), { code: 'DATA_PLANE_UNAVAILABLE' })
  assert.equal(NO_SOCKET.answers(), false)
  assert.equal(hasBatches(), true)
})

test('a device that is refused its offloads is gone, so that another may have its name', { skip }, t => {
  const netns = makeNetns(t)
  const noSuch = 0x8000
  netns.inside(() => {
    assert.equal(openOffloadTun('bt0', noSuch), undefined)
    TunDevice.open('bt0').close()
  })
})

test('`node:dgram` tells of a port that is taken, and of an address that is not ours', { skip }, async t => {
  const netns = makeNetns(t)
  const start = (address: string, port: number) =>
    netns.inside(() =>
      createDataPlane({ listen: [{ address, port }], tun: undefined, ports: 'dgram' }).start(),
    )
  const first = createDataPlane({ listen: [{ address: '0.0.0.0', port: 0 }], tun: undefined, ports: 'dgram' })
  await netns.inside(() => first.start())
  t.after(() => first.stop())
  await assert.rejects(start('127.0.0.1', first.bound[0]?.port ?? 0), { code: 'PORT_IN_USE' })
  await assert.rejects(start('192.0.2.200', 0), { code: 'ADDRESS_NOT_LOCAL' })
})
