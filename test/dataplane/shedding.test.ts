import assert from 'node:assert/strict'
import test from 'node:test'
import { PacketBatch } from '../../core/dataplane/ports.ts'
import { Shedding } from '../../core/dataplane/shedding.ts'
import { UdpSocket } from '../../core/dataplane/tun/udp-socket.ts'
import { until } from '../support/until.ts'

/** What is to be kept, told for each second in which so many come that want a tunnel; of these only what was kept is seen. */
function told(perSecond: readonly number[]): readonly (number | undefined)[] {
  const shedding = new Shedding()
  shedding.tick(0)
  let keep = 1
  return perSecond.map((come, second) => {
    for (let i = 0; i < Math.round(come * keep); i++) shedding.count()
    const changed = shedding.tick(1000 * (second + 1))
    keep = changed ?? keep
    return changed
  })
}

test('a storm of logins is borne whole, of a flood some ten thousand a second are kept, and all when it is over', () => {
  assert.deepEqual(told([0, 20_000, 100_000, 100_000, 400_000, 15_000]), [
    undefined,
    undefined,
    0.1,
    undefined,
    0.025,
    1,
  ])
})

test('within a second nothing is told; a rate is of the time that has passed', () => {
  const shedding = new Shedding()
  shedding.tick(0)
  for (let i = 0; i < 60_000; i++) shedding.count()
  assert.equal(shedding.tick(999), undefined)
  assert.equal(shedding.tick(2000), 1 / 3)
})

const HEADER = {
  opening: [0xc8, 0x02, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0],
  established: [0xc8, 0x02, 0, 12, 0, 7, 0, 0, 0, 0, 0, 0],
  data: [0x00, 0x02, 0, 0, 0, 0],
} as const

/** How many of each come through a socket that keeps this share of those that want a tunnel. */
async function kept(keep: readonly number[]): Promise<Readonly<Record<keyof typeof HEADER, number>>> {
  const receiver = UdpSocket.open({ address: '127.0.0.1', port: 0 })
  const sender = UdpSocket.open({ address: '127.0.0.1', port: 0 })
  try {
    for (const share of keep) receiver.shedOpenings(share)
    const path = { local: sender.bound, remote: receiver.bound }
    const batch = new PacketBatch(64)
    const came = { opening: 0, established: 0, data: 0 }
    const take = () => {
      receiver.receive(batch)
      for (let i = 0; i < batch.count; i++) {
        const at = batch.at[i] ?? 0
        const isControl = ((batch.bytes[at] ?? 0) & 0x80) !== 0
        came[!isControl ? 'data' : batch.bytes[at + 5] === 0 ? 'opening' : 'established']++
      }
      return came
    }
    for (let i = 0; i < SENT_OF_EACH; i++) {
      for (const kind of ['opening', 'established', 'data'] as const)
        assert.ok(sender.sendOne(path, Uint8Array.from(HEADER[kind])))
      take()
    }
    await until('all data', () => take().data === SENT_OF_EACH)
    return came
  } finally {
    receiver.close()
    sender.close()
  }
}

const SENT_OF_EACH = 1000

test('the kernel keeps a share of those that want a tunnel, by chance, and everything else', async () => {
  const { opening, established, data } = await kept([0.25])
  assert.deepEqual({ established, data }, { established: SENT_OF_EACH, data: SENT_OF_EACH })
  // Beyond eight standard deviations on either side.
  assert.ok(opening > 140 && opening < 360, `${opening} of ${SENT_OF_EACH} were kept`)
})

test('another share takes the place of the last; the whole of it ends that', async () => {
  assert.equal((await kept([0.5, 0])).opening, 0)
  assert.equal((await kept([0, 1])).opening, SENT_OF_EACH)
})
