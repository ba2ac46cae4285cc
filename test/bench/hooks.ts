/**
 * What the decisions of a call cost: six hooks, three plugins each, through guards, throttle and trail. Bare tapable with
 * the same taps stands beside it.
 */
import assert from 'node:assert/strict'
import { AsyncSeriesBailHook, AsyncSeriesWaterfallHook } from 'tapable'
import { NO_COUNTERS } from '../../core/flow.ts'
import { Inquiry } from '../../core/hooks/guard.ts'
import { HookSet } from '../../core/hooks/hook-set.ts'
import { definePlugin, z } from '../../core/index.ts'
import type { Deployment } from '../../core/plugin/deployment.ts'
import { PluginHost } from '../../core/plugin/host.ts'
import type { PluginContext, ServerView } from '../../core/plugin/plugin.ts'
import type { Ask, AskKind, Grant, SessionInfo, SessionPolicy, Verdict } from '../../core/protocol/outputs.ts'
import { Asks } from '../../core/runtime/asks.ts'
import { Generations } from '../../core/runtime/generations.ts'
import { nodeClock } from '../../core/runtime/node/clock.ts'
import { createLogger } from '../../core/runtime/node/logger.ts'
import { createNodeRandom } from '../../core/runtime/node/random.ts'
import { SESSION } from '../support/session.ts'
import { compare, type Figure } from './measure.ts'

export const about = 'CPU time of the decisions of a call, and of an empty tap'

const CHAIN_LIMIT_US = 50
const TAP_LIMIT_US = 2
const PLUGINS = 3
const EMPTY_TAPS = 12
const PASSWORD = 'admin@123'
/** More than the server may have: trails come and go as in service. */
const CALLS = 16_384

export function run(): Promise<readonly Figure[]> {
  return compare([
    { name: 'guarded chain', pieces: 1, limitUs: CHAIN_LIMIT_US, run: guardedChain() },
    { name: 'bare chain', pieces: 1, run: bareChain() },
    { name: 'guarded empty tap', pieces: EMPTY_TAPS, limitUs: TAP_LIMIT_US, run: guardedEmptyTaps() },
    { name: 'bare empty tap', pieces: EMPTY_TAPS, run: bareEmptyTaps() },
  ])
}

/** The last of three answers; the two before it pass. */
const answers = <T>(index: number, answer: T) => (index === PLUGINS - 1 ? answer : undefined)

const grantOf = (grant: Grant, index: number): Grant => ({ ...grant, sessionTimeoutS: 3600 + index })
const policyOf = (policy: SessionPolicy, index: number): SessionPolicy => ({
  ...policy,
  rules: [...policy.rules, { action: 'permit', direction: 'from-session', name: `rule ${index}` }],
})
const ACCEPT = { kind: 'accept' } as const
const accepted = (user: string) => ({ kind: 'accept', user, grant: { pool: 'staff' } }) as const
const leased = (value: string) => ({ kind: 'lease', value, id: value }) as const

/** What each of the plugins does; all its taps are async, as those of a directory or an allocator are. */
function tapAll(hooks: PluginContext['hooks'], index: number): void {
  const name = `plugin ${index}`
  hooks.admitTunnel.tapPromise(name, async () => answers(index, ACCEPT))
  hooks.admitSession.tapPromise(name, async () => answers(index, ACCEPT))
  hooks.authenticate.tapPromise(name, async ({ user, proof }) =>
    index === PLUGINS - 1 && proof.verify(PASSWORD) ? accepted(user) : undefined,
  )
  hooks.authorize.tapPromise(name, async grant => grantOf(grant, index))
  hooks.assignAddress.tapPromise(name, async () => answers(index, leased('172.16.1.51')))
  hooks.decidePolicy.tapPromise(name, async policy => policyOf(policy, index))
}

function guardedChain(): () => Promise<void> {
  const log = createLogger({ level: 'silent' })
  const plugins = Array.from({ length: PLUGINS }, (_, index) => ({
    plugin: definePlugin({
      name: `plugin-${index}`,
      config: z.strictObject({}),
      setup: ({ hooks }) => tapAll(hooks, index),
    }),
    id: `plugin-${index}`,
    options: {},
    place: {},
  }))
  const world = { clock: nodeClock, log, random: createNodeRandom() }
  const host = new PluginHost(plugins, { ...world, configDir: '/', server: {} as ServerView })
  // Two that do not fit are looked at for every call.
  const deployments: readonly Deployment[] = [
    { name: 'one', when: { realm: ['elsewhere'] }, place: {} },
    { name: 'two', when: { hostName: ['branch-*'] }, place: {} },
  ]
  const generation = { number: 1, host, deployments, defaultZone: 'dmz', interimIntervalS: 0 }
  const generations = new Generations(generation, () => {})
  const asks = new Asks({ generations, clock: nodeClock, log })
  const sessions = Array.from(
    { length: CALLS },
    (_, call): SessionInfo => ({ ...SESSION, id: call.toString(16).padStart(16, '0') }),
  )
  let calls = 0
  let askId = 0
  const decide = <K extends AskKind>(ask: Extract<Ask, { kind: K }>) =>
    new Promise<Extract<Verdict<K>, { kind: 'accept' }>>(resolve => {
      asks.ask(++askId, ask, verdict => {
        assert.equal(verdict.kind, 'accept')
        resolve(verdict as Extract<Verdict<K>, { kind: 'accept' }>)
      })
    })
  return async () => {
    const session = sessions[calls++ % CALLS] ?? SESSION
    const { tunnel } = session
    await decide<'admitTunnel'>({ kind: 'admitTunnel', tunnel })
    await decide<'admitSession'>({ kind: 'admitSession', session })
    const proof = { method: 'pap', password: PASSWORD } as const
    const user = 'hb@hb'
    const first = await decide<'authenticate'>({ kind: 'authenticate', session, user, proof })
    const { grant } = await decide<'authorize'>({ kind: 'authorize', session, grant: first.grant })
    const wanted = { kind: 'assignAddress', session, grant, address: 'ipv4' } as const
    const { lease } = await decide<'assignAddress'>(wanted)
    const asked = {
      kind: 'decidePolicy',
      session,
      grant,
      leases: lease === undefined ? [] : [lease],
    } as const
    const { policy } = await decide<'decidePolicy'>(asked)
    assert.equal(policy.rules.length, PLUGINS)
    const reason = { cause: 'peer-hangup' } as const
    const down = { session, wasUp: true, leases: [], reason, counters: NO_COUNTERS, durationMs: 0 }
    asks.trails.take({ kind: 'sessionDown', ...down })
    asks.trails.take({ kind: 'tunnelDown', tunnel, wasUp: true, reason })
    asks.over(session)
    asks.over(tunnel)
  }
}

function bareChain(): () => Promise<void> {
  const firstAnswer = <T>(answer: T) => {
    const hook = new AsyncSeriesBailHook<[object], T>(['call'])
    for (let index = 0; index < PLUGINS; index++)
      hook.tapPromise(`plugin ${index}`, async () => answers(index, answer) as T)
    return hook
  }
  const waterfall = <T>(next: (value: T, index: number) => T) => {
    const hook = new AsyncSeriesWaterfallHook<[T, object]>(['value', 'call'])
    for (let index = 0; index < PLUGINS; index++)
      hook.tapPromise(`plugin ${index}`, async value => next(value as T, index) as never)
    return hook
  }
  const admitTunnel = firstAnswer(ACCEPT)
  const admitSession = firstAnswer(ACCEPT)
  const authenticate = firstAnswer(accepted('hb@hb'))
  const authorize = waterfall(grantOf)
  const assignAddress = firstAnswer(leased('172.16.1.51'))
  const decidePolicy = waterfall(policyOf)
  return async () => {
    await admitTunnel.promise({ tunnel: SESSION.tunnel })
    await admitSession.promise({ session: SESSION })
    const { grant } = await authenticate.promise({ session: SESSION, user: 'hb@hb' })
    const granted = await authorize.promise({ user: 'hb@hb', ...grant }, { session: SESSION })
    const lease = await assignAddress.promise({ session: SESSION, grant: granted })
    const asked = { session: SESSION, grant: granted, leases: [lease] }
    const { rules } = await decidePolicy.promise({ zone: 'dmz', rules: [] }, asked)
    assert.equal(rules.length, PLUGINS)
  }
}

function guardedEmptyTaps(): () => Promise<unknown> {
  const hooks = new HookSet({ clock: nodeClock, report: () => assert.fail('a tap faulted') })
  for (let index = 0; index < EMPTY_TAPS; index++)
    hooks.ownedBy({ plugin: `plugin-${index}` }).admitTunnel.tapPromise('empty', async () => undefined)
  return () => hooks.ask('admitTunnel', new Inquiry(), { tunnel: SESSION.tunnel })
}

function bareEmptyTaps(): () => Promise<unknown> {
  const hook = new AsyncSeriesBailHook<[object], unknown>(['call'])
  for (let index = 0; index < EMPTY_TAPS; index++) hook.tapPromise(`plugin ${index}`, async () => undefined)
  return () => hook.promise({ tunnel: SESSION.tunnel })
}
