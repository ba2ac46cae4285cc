/** How a data plane holds the rate of a flow. */
import assert from 'node:assert/strict'
import { until } from '../support/until.ts'
import { type Behaviour, counters, flowOf, fromInside, fromSession, toInside } from './data-plane-bench.ts'

const OCTETS = 1000
/** What passes at once at any low rate: two packets of 1500 octets. */
const BURST_OCTETS = 3000
const PAYLOAD = { payload: new Uint8Array(OCTETS - 20) }
/** 1000 octets a second. */
const SLOW_BPS = 8000
const SENT = 12

export function rates(behaviour: Behaviour): void {
  behaviour(
    'beyond its rate a flow is dropped and counted, in each direction by itself, and no other flow is',
    async open => {
      const { plane, path, peer, lns, inject, flush, packetsOut } = await open()
      const startedMs = performance.now()
      await plane.upsert([
        flowOf(1, path, { upRateBps: SLOW_BPS }),
        flowOf(2, path, { downRateBps: SLOW_BPS }),
      ])
      for (const n of [1, 2]) {
        for (let i = 0; i < SENT; i++) peer.send(lns, fromSession(n, toInside(n, PAYLOAD)))
        for (let i = 0; i < SENT; i++) inject(fromInside(n, PAYLOAD))
      }
      const row = (n: number) => {
        const { packetsIn, packetsOut, drops } = counters(plane, n)
        return { up: Number(packetsIn), down: Number(packetsOut), over: Number(drops['over-rate'] ?? 0n) }
      }
      await until('all is counted', () =>
        [1, 2].every(n => row(n).up + row(n).down + row(n).over === 2 * SENT),
      )
      const most = Math.ceil((BURST_OCTETS + performance.now() - startedMs) / OCTETS)
      assert.deepEqual([row(1).down, row(2).up], [SENT, SENT], 'the other direction has no rate')
      for (const passed of [row(1).up, row(2).down])
        assert.ok(passed >= BURST_OCTETS / OCTETS && passed <= most && passed < SENT, `${passed} passed`)
      await packetsOut(row(1).up + SENT)
      await flush()
      assert.deepEqual(counters(plane, 0).drops, {})
    },
  )

  behaviour('a rate comes, changes and goes with a live flow, whose counters go on', async open => {
    const { plane, path, peer, lns, packetsOut } = await open()
    const before = () => counters(plane, 0)
    const passed = () => Number(before().packetsIn)
    const over = () => Number(before().drops['over-rate'] ?? 0n)
    const send = async (count: number) => {
      const sofar = passed() + over()
      for (let i = 0; i < count; i++) peer.send(lns, fromSession(0, toInside(0, PAYLOAD)))
      await until('all is counted', () => passed() + over() === sofar + count)
    }
    await send(SENT)
    assert.deepEqual([passed(), over()], [SENT, 0])

    const slowSinceMs = performance.now()
    await plane.upsert([flowOf(0, path, { upRateBps: SLOW_BPS })])
    await send(SENT)
    const refused = over()
    assert.ok(refused > 0 && refused <= SENT - BURST_OCTETS / OCTETS, `${refused} were refused`)

    // The bucket is empty, and another slow rate does not fill it: no burst for whoever changes a rate.
    await plane.upsert([flowOf(0, path, { upRateBps: SLOW_BPS / 2 })])
    const passedBefore = passed()
    await send(3)
    assert.ok(passed() - passedBefore <= 1 + (performance.now() - slowSinceMs) / 1000, 'no new burst')

    await plane.upsert([flowOf(0, path)])
    const [overBefore, outBefore] = [over(), passed()]
    await send(SENT)
    assert.deepEqual([over(), passed()], [overBefore, outBefore + SENT], 'without a rate all passes')
    await packetsOut(passed())
  })

  behaviour('what has used up its rate passes again as time does', async open => {
    const { plane, path, peer, lns, inject } = await open()
    const fast = SLOW_BPS * 10
    await plane.upsert([flowOf(1, path, { upRateBps: fast, downRateBps: fast })])
    const row = () => counters(plane, 1)
    const over = () => row().drops['over-rate'] ?? 0n
    const looks = [
      [() => peer.send(lns, fromSession(1, toInside(1, PAYLOAD))), () => row().packetsIn],
      [() => inject(fromInside(1, PAYLOAD)), () => row().packetsOut],
    ] as const
    for (const [send, passed] of looks) {
      const before = over()
      await until('it is used up', () => {
        send()
        return over() > before
      })
      const usedUp = passed()
      await until('packets pass again', () => {
        send()
        return passed() >= usedUp + 3n
      })
    }
  })

  behaviour('what rules refuse costs a flow nothing of its rate', async open => {
    const { plane, path, peer, lns, packetsOut } = await open()
    await plane.upsert([flowOf(1, path, { upRateBps: SLOW_BPS })])
    const spoofed = toInside(0, PAYLOAD)
    for (let i = 0; i < SENT; i++) peer.send(lns, fromSession(1, spoofed))
    await until('they are refused', () => counters(plane, 1).drops['spoofed-source'] === BigInt(SENT))
    for (let i = 0; i < 3; i++) peer.send(lns, fromSession(1, toInside(1, PAYLOAD)))
    await packetsOut(3)
    assert.equal(counters(plane, 1).drops['over-rate'], undefined)
  })
}
