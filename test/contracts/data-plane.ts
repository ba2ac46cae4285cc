/** What every data plane does, whatever is behind it: one suite for all of them. */
import test from 'node:test'
import { type BenchMaker, openSession } from './data-plane-bench.ts'
import { flows } from './data-plane-flows.ts'
import { forwarding } from './data-plane-forwarding.ts'
import { guarding } from './data-plane-guarding.ts'
import { policy } from './data-plane-policy.ts'
import { rates } from './data-plane-rates.ts'

export function dataPlaneContract(maker: BenchMaker): void {
  for (const group of [forwarding, guarding, policy, flows, rates]) {
    group((name, run) =>
      test(`${maker.name}: ${name}`, { skip: maker.skip }, t => run(more => openSession(maker, t, more))),
    )
  }
}
