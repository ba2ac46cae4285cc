/** What several plugins want kept, together; and when the kernel is asked at all. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { InterfaceWays } from '../../core/plugin/interfaces.ts'
import { InterfaceKeeper, waysInBoth } from '../../core/runtime/interface-keeper.ts'
import type { Kernel } from '../../core/runtime/node/kernel.ts'
import { memoryLog } from '../../core/testing/log.ts'
import { memoryKernel } from '../../core/testing/memory-kernel.ts'
import { VirtualClock } from '../../core/testing/virtual-clock.ts'

const net = (number: number) => ({ address: `10.${number}.0.0`, length: 16 })
const ways = (
  named: Readonly<Record<string, readonly number[]>>,
  others: readonly number[],
): InterfaceWays => ({
  named: Object.fromEntries(Object.entries(named).map(([name, numbers]) => [name, numbers.map(net)])),
  others: others.map(net),
})
const A = ways({ eth1: [1] }, [2, 3])
const B = ways({ eth2: [2] }, [1, 3])

function scene(more: Partial<Kernel> = {}) {
  const { kernel, done } = memoryKernel(['2.2.2.2'])
  const { log } = memoryLog()
  return {
    keeper: new InterfaceKeeper({ ...kernel, ...more }, 'burrow0', { clock: new VirtualClock(), log }),
    done,
  }
}

test('what several owners want counts together, and goes with the last', async () => {
  const { keeper, done } = scene()
  const [one, other] = [{}, {}]
  await keeper.open()
  await keeper.keep(one, [A])
  await Promise.all([keeper.keep(other, [B]), keeper.keep(one, [])])
  await keeper.keep(other, [])
  await keeper.keep(one, [])
  assert.deepEqual(done, [
    'guard burrow0 [eth1]',
    'guard burrow0 [eth1,eth2]',
    'guard burrow0 [eth2]',
    'undo guard burrow0',
  ])
})

test('the guard of a server that runs is not touched by another with the same device', async () => {
  const removed: string[] = []
  const { keeper, done } = scene({
    interfaces: () => ['lo', 'burrow0'],
    removeGuard: async name => void removed.push(name),
  })
  await keeper.open()
  await assert.rejects(keeper.keep({}, [A]), { code: 'TUN_IN_USE' })
  await keeper.close()
  assert.deepEqual([removed, done], [[], []])
})

test('without a server, as for `burrow try`, the kernel is not touched', async () => {
  const { keeper, done } = scene()
  await keeper.keep({}, [A])
  await keeper.close()
  assert.deepEqual(done, [])
})

test('what the kernel refuses is wanted no more, and the next may be had', async () => {
  let refuses = true
  const { kernel } = memoryKernel([])
  const seen: InterfaceWays[] = []
  const { keeper } = scene({
    guardInterfaces: async (name, wanted, watch) => {
      if (refuses) throw new Error('no')
      seen.push(wanted)
      return kernel.guardInterfaces(name, wanted, watch)
    },
  })
  await keeper.open()
  await assert.rejects(keeper.keep({}, [A]), /no/)
  refuses = false
  await keeper.keep({}, [B])
  assert.deepEqual(seen, [B])
})

test('routes to sessions that stand elsewhere by then cannot be guarded by rules; those that stand there stay guarded', async () => {
  const { kernel } = memoryKernel([])
  const tables = { permitted: 1, denied: 2 }
  const changes: InterfaceWays[] = []
  const guardInterfaces: Kernel['guardInterfaces'] = async (...asked) => ({
    ...(await kernel.guardInterfaces(...asked)),
    tables,
    change: async next => void changes.push(next),
  })
  const late = scene({ guardInterfaces })
  await late.keeper.open()
  assert.equal(late.keeper.routed(), undefined)
  await assert.rejects(late.keeper.keep({}, [A]), { code: 'INTERFACE_ZONES' })

  const early = scene({ guardInterfaces })
  const owner = {}
  await early.keeper.open()
  await early.keeper.keep(owner, [A])
  assert.equal(early.keeper.routed(), tables)
  await early.keeper.keep(owner, [])
  assert.deepEqual(changes, [
    {
      named: {},
      others: [
        { address: '0.0.0.0', length: 0 },
        { address: '::', length: 0 },
      ],
    },
  ])
})

test('what fits both fits each, and nothing else does', () => {
  const numbers = fc.subarray([1, 2, 3, 4])
  const some = fc
    .tuple(fc.dictionary(fc.constantFrom('eth0', 'eth1', 'eth2'), numbers), numbers)
    .map(([named, others]) => ways(named, others))
  const fits = ({ named, others }: InterfaceWays, device: string, number: number) =>
    (named[device] ?? others).some(({ address }) => address === net(number).address)
  fc.assert(
    fc.property(some, some, (one, other) => {
      const both = waysInBoth(one, other)
      for (const device of ['eth0', 'eth1', 'eth2', 'eth3'])
        for (const number of [1, 2, 3, 4])
          assert.equal(fits(both, device, number), fits(one, device, number) && fits(other, device, number))
    }),
  )
})
