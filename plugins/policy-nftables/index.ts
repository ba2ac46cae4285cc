/** Has the kernel keep to the rules of sessions: nftables, with conntrack and NAT, in the place of the data plane's own filter. */
import { type AclRule, definePlugin, shared, type TimerHandle } from 'burrow'
import { Options } from './config.ts'
import { Table } from './table.ts'

const NAME = 'policy-nftables'
/** A session that was decided on, and has not come up since, has its entries for so long. */
const UNUSED_MS = 300_000

/** The kernel decides. */
const OPEN: readonly AclRule[] = shared(
  (['from-session', 'to-session'] as const).flatMap(direction =>
    [false, true].map((host): AclRule => ({ action: 'permit', direction, host, name: 'nftables decides' })),
  ),
)

class State {
  readonly table: Table
  opened = false
  /** SessionInfo.id of those that are up, and, with the time, of those that were decided on and are not. */
  readonly up = new Set<string>()
  readonly pending = new Map<string, number>()

  constructor(table: Table) {
    this.table = table
  }
}

export default definePlugin({
  name: NAME,
  config: Options,
  setup({ hooks, server, log, clock, shared: kept }, options) {
    // One for all deployments and over reloads; options of NAT are those that it was opened with.
    const state = kept(
      'table',
      () => new State(new Table(server.tunName, options, log)),
      ({ table, opened }) => (opened ? table.close() : undefined),
    )
    const { table, pending } = state
    let timer: TimerHandle | undefined

    const look = () => {
      timer = clock.setTimer(options.checkS * 1000, async () => {
        for (const [id, at] of [...pending]) if (clock.now() - at > UNUSED_MS) await forget(id)
        await table
          .mend()
          .catch(error => log.error({ error }, 'the table of nftables could not be looked at'))
        if (timer !== undefined) look()
      })
    }

    const forget = async (id: string) => {
      pending.delete(id)
      await table
        .remove(id)
        .catch(error => log.error({ error, id }, 'nftables still has entries of a session'))
    }

    hooks.decidePolicy.tapPromise(NAME, async (policy, { session, leases, grant, dryRun }) => {
      if (dryRun) return undefined
      if (!state.up.has(session.id)) pending.set(session.id, clock.now())
      await table.set(session.id, policy.rules, [
        ...leases.map(({ value }) => value),
        ...(grant.routes ?? []),
      ])
      return { zone: policy.zone, rules: OPEN }
    })

    hooks.sessionUp.tap(NAME, ({ session }) => {
      state.up.add(session.id)
      pending.delete(session.id)
    })

    hooks.sessionDown.tapPromise(NAME, ({ session }) => {
      state.up.delete(session.id)
      return forget(session.id)
    })

    return {
      async start() {
        if (!state.opened) await table.open()
        state.opened = true
        look()
      },
      stop() {
        timer?.cancel()
        timer = undefined
      },
      countRules: () => (state.opened ? table.hits() : Promise.resolve([])),
    }
  },
})
