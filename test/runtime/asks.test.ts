import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HOOKS, type Hooks } from '../../core/hooks/hooks.ts'
import { definePlugin, z } from '../../core/index.ts'
import { PluginHost } from '../../core/plugin/host.ts'
import type { PluginInstance, ServerView } from '../../core/plugin/plugin.ts'
import type { Ask, AskKind, Grant, ProofData, Verdict } from '../../core/protocol/outputs.ts'
import { Asks, type AsksParts } from '../../core/runtime/asks.ts'
import { BoundedLog } from '../../core/runtime/bounded-log.ts'
import { Generations } from '../../core/runtime/generations.ts'
import { tapFaultsTo } from '../../core/runtime/tap-faults.ts'
import { memoryLog } from '../../core/testing/log.ts'
import { settle, VirtualClock } from '../../core/testing/virtual-clock.ts'
import { gate } from '../support/gate.ts'
import { SESSION } from '../support/session.ts'

const PASSWORD = 'admin@123'
const PAP: ProofData = { method: 'pap', password: PASSWORD }
const GRANT: Grant = { user: 'hb@hb' }
const ASKS: { readonly [K in AskKind]: Extract<Ask, { kind: K }> } = {
  admitTunnel: { kind: 'admitTunnel', tunnel: SESSION.tunnel },
  admitSession: { kind: 'admitSession', session: SESSION },
  authenticate: { kind: 'authenticate', session: SESSION, user: 'hb@hb', proof: PAP },
  authorize: { kind: 'authorize', session: SESSION, grant: GRANT },
  assignAddress: { kind: 'assignAddress', session: SESSION, grant: GRANT, address: 'ipv4' },
  decidePolicy: { kind: 'decidePolicy', session: SESSION, grant: GRANT, leases: [] },
  ownSecret: { kind: 'ownSecret', session: SESSION, method: 'pap', user: 'hb@hb' },
}

type Tap = (hooks: Hooks) => PluginInstance | undefined

/** Plugins p0, p1, ... that do what `taps` say. */
function scene({ taps = [], ...more }: { taps?: readonly Tap[] } & Partial<AsksParts> = {}) {
  const clock = new VirtualClock()
  const { log, lines } = memoryLog()
  const plugins = taps.map((tap, index) => ({
    plugin: definePlugin({
      name: `p${index}`,
      config: z.strictObject({}),
      setup: ({ hooks }) => tap(hooks),
    }),
    options: {},
    id: `p${index}`,
    place: {},
  }))
  const random = { bytes: () => new Uint8Array(), uint16: () => 0, uint32: () => 0 }
  const host = new PluginHost(plugins, { clock, log, random, configDir: '/', server: {} as ServerView })
  const generation = { number: 1, host, deployments: [], defaultZone: 'dmz', interimIntervalS: 0 }
  const generations = new Generations(generation, () => {})
  const asks = new Asks({ generations, clock, log, ...more })
  const verdicts: Verdict[] = []
  let askId = 0
  return {
    clock,
    lines,
    asks,
    verdicts,
    /** Asks without waiting; gives the id. */
    put: (ask: Ask) => {
      asks.ask(++askId, ask, verdict => verdicts.push(verdict))
      return askId
    },
    verdictOf: <K extends AskKind>(ask: Extract<Ask, { kind: K }>) =>
      new Promise<Verdict<K>>(resolve => asks.ask(++askId, ask, verdict => resolve(verdict as Verdict<K>))),
  }
}

test('without any plugin calls are admitted, and nothing else is granted', async () => {
  const { verdictOf } = scene()
  const kinds: Record<string, string> = {}
  for (const ask of Object.values(ASKS)) kinds[ask.kind] = (await verdictOf(ask)).kind
  assert.deepEqual(kinds, {
    admitTunnel: 'accept',
    admitSession: 'accept',
    authenticate: 'deny',
    authorize: 'accept',
    assignAddress: 'deny',
    decidePolicy: 'accept',
    ownSecret: 'deny',
  })
  assert.deepEqual(await verdictOf(ASKS.authorize), { kind: 'accept', grant: GRANT })
  const nothing = { kind: 'accept', policy: { zone: 'dmz', rules: [] } }
  assert.deepEqual(await verdictOf(ASKS.decidePolicy), nothing)
})

test('the zone of a grant is the zone of its first policy', async () => {
  const { verdictOf } = scene()
  const verdict = await verdictOf({ ...ASKS.decidePolicy, grant: { ...GRANT, zone: 'trust' } })
  assert.deepEqual(verdict, { kind: 'accept', policy: { zone: 'trust', rules: [] } })
})

test('an acceptance carries the grant of the plugin and the user that it named', async () => {
  const tap: Tap = hooks => {
    hooks.authenticate.tap('a', ({ user, proof }) =>
      user === 'hb@hb' && proof.verify(PASSWORD)
        ? { kind: 'accept', user: 'hb', grant: { pool: 'staff' } }
        : { kind: 'reject', reason: 'bad credentials', message: 'try again' },
    )
    return undefined
  }
  const { verdictOf } = scene({ taps: [tap] })
  assert.deepEqual(await verdictOf(ASKS.authenticate), {
    kind: 'accept',
    grant: { pool: 'staff', user: 'hb' },
  })
  const wrong = { ...ASKS.authenticate, proof: { method: 'pap', password: 'x' } } as const
  assert.deepEqual(await verdictOf(wrong), { kind: 'deny', reason: 'bad credentials', message: 'try again' })
})

test('a lease belongs to the plugin whose tap gave it', async () => {
  const { verdictOf } = scene({
    taps: [
      hooks => void hooks.assignAddress.tap('none', () => undefined),
      hooks =>
        void hooks.assignAddress.tap('pool', () => ({ kind: 'lease', value: '172.16.1.51', id: 'l1' })),
    ],
  })
  assert.deepEqual(await verdictOf(ASKS.assignAddress), {
    kind: 'accept',
    lease: { owner: 'p1', kind: 'ipv4', value: '172.16.1.51', id: 'l1' },
  })
})

test('denials of every decision reach the core with their reason', async () => {
  const { verdictOf } = scene({
    taps: [
      hooks => {
        hooks.admitTunnel.tap('a', () => ({ kind: 'deny', reason: 'r1' }))
        hooks.admitSession.tap('a', () => ({ kind: 'deny', reason: 'r2' }))
        hooks.authenticate.tap('a', () => ({ kind: 'unavailable', reason: 'r3' }))
        hooks.authorize.tap('a', () => ({ kind: 'deny', reason: 'r4' }))
        hooks.assignAddress.tap('a', () => ({ kind: 'refuse', reason: 'r5' }))
        hooks.decidePolicy.tap('a', () => ({ kind: 'deny', reason: 'r6' }))
        return undefined
      },
    ],
  })
  const decisions = Object.values(ASKS).filter(({ kind }) => kind !== 'ownSecret')
  const verdicts = await Promise.all(decisions.map(ask => verdictOf(ask)))
  assert.deepEqual(
    verdicts,
    ['r1', 'r2', 'r3', 'r4', 'r5', 'r6'].map(reason => ({ kind: 'deny', reason })),
  )
})

test('an answer never comes before ask has returned', async () => {
  const { put, verdicts } = scene()
  put(ASKS.admitTunnel)
  assert.deepEqual(verdicts, [])
  await settle()
  assert.deepEqual(verdicts, [{ kind: 'accept' }])
})

test('our own secret comes from who has it, and a failure to get it is a denial', async () => {
  const { verdictOf } = scene({ ownSecret: async ({ user }) => (user === 'hb@hb' ? PASSWORD : undefined) })
  assert.deepEqual(await verdictOf(ASKS.ownSecret), { kind: 'accept', secret: PASSWORD })
  assert.equal((await verdictOf({ ...ASKS.ownSecret, user: 'other' })).kind, 'deny')
  const broken = scene({ ownSecret: () => Promise.reject(new Error('no such file')) })
  assert.deepEqual(await broken.verdictOf(ASKS.ownSecret), { kind: 'deny', reason: 'internal error' })
  assert.equal(broken.lines[0]?.level, 'error')
})

test('an ask that cannot even be copied is denied, and not before `ask` has returned', async () => {
  const { put, verdicts } = scene()
  const get = () => assert.fail('out of order')
  put(Object.defineProperty({ ...ASKS.authorize }, 'grant', { enumerable: true, get }))
  assert.deepEqual(verdicts, [])
  await settle()
  assert.deepEqual(verdicts, [{ kind: 'deny', reason: 'internal error' }])
})

test('a withdrawal aborts the tap, and no answer comes any more', async () => {
  const signals: AbortSignal[] = []
  const { put, asks, verdicts, clock } = scene({
    taps: [
      hooks => {
        hooks.authenticate.tapPromise('a', ({ signal }) => {
          signals.push(signal)
          return new Promise(() => {})
        })
        return undefined
      },
    ],
  })
  const askId = put(ASKS.authenticate)
  await settle()
  asks.withdraw(askId)
  assert.equal(signals[0]?.aborted, true)
  await clock.advance(60_000)
  assert.deepEqual(verdicts, [])
  asks.withdraw(askId)
  asks.withdraw(4711)
})

/** A pool whose answer waits for a gate, and what it got back. */
function slowPool(release: PluginInstance['releaseLease'] = () => {}) {
  const opened = gate()
  const freed: string[] = []
  const tap: Tap = hooks => {
    hooks.assignAddress.tapPromise('pool', async () => {
      await opened.opened
      return { kind: 'lease', value: '172.16.1.51', id: 'l1' }
    })
    return {
      releaseLease(lease) {
        freed.push(`${lease.owner} ${lease.value} ${lease.id}`)
        return release(lease)
      },
    }
  }
  return { tap, open: opened.open, freed }
}

test('a lease that comes after the withdrawal goes back to its owner', async () => {
  const { tap, open, freed } = slowPool()
  const { put, asks, verdicts } = scene({ taps: [tap] })
  const askId = put(ASKS.assignAddress)
  await settle()
  asks.withdraw(askId)
  open()
  await settle()
  assert.deepEqual(freed, ['p0 172.16.1.51 l1'])
  assert.deepEqual(verdicts, [])
})

test('a lease that comes after the deadline goes back to its owner, once', async () => {
  const { tap, open, freed } = slowPool()
  const { put, asks, verdicts, clock } = scene({ taps: [tap] })
  const askId = put(ASKS.assignAddress)
  await clock.advance(HOOKS.assignAddress.deadlineMs)
  assert.equal(verdicts[0]?.kind, 'deny')
  open()
  asks.withdraw(askId)
  await settle()
  assert.deepEqual(freed, ['p0 172.16.1.51 l1'])
})

test('a lease that is on its way to the core when the withdrawal comes goes back to its owner', async () => {
  const outcomes = new Set<'with the core' | 'back with its owner'>()
  for (let ticks = 0; ticks < 20; ticks++) {
    const { tap, open, freed } = slowPool()
    const { put, asks, verdicts } = scene({ taps: [tap] })
    const askId = put(ASKS.assignAddress)
    await settle()
    open()
    for (let tick = 0; tick < ticks; tick++) await Promise.resolve()
    const answered = verdicts.length
    asks.withdraw(askId)
    await settle()
    // Either the core has the lease, or its owner has it back: never both, never neither.
    assert.equal(verdicts.length, answered)
    assert.equal(answered + freed.length, 1, `after ${ticks} ticks`)
    outcomes.add(answered === 1 ? 'with the core' : 'back with its owner')
  }
  assert.equal(outcomes.size, 2)
})

test('a late lease whose release fails is logged', async () => {
  const { tap, open } = slowPool(() => Promise.reject(new Error('disk full')))
  const { put, asks, lines } = scene({ taps: [tap] })
  const askId = put(ASKS.assignAddress)
  await settle()
  asks.withdraw(askId)
  open()
  await settle()
  assert.deepEqual(
    lines.map(({ level }) => level),
    ['error'],
  )
})

test('what plugins get is frozen, and what they give is copied', async () => {
  const given = { user: 'hb@hb', dns: ['192.0.2.53'] }
  const attacks: boolean[] = []
  const frozen = (value: object) => attacks.push(Object.isFrozen(value))
  const { verdictOf, asks } = scene({
    taps: [
      hooks => {
        hooks.authorize.tap('a', (grant, { session }) => {
          frozen(grant)
          frozen(session)
          frozen(session.tunnel.path.remote)
          return given
        })
        hooks.tunnelUp.tap('a', ({ tunnel }) => void frozen(tunnel))
        return undefined
      },
    ],
  })
  const verdict = await verdictOf(ASKS.authorize)
  given.dns.push('203.0.113.1')
  assert.deepEqual(verdict, { kind: 'accept', grant: { user: 'hb@hb', dns: ['192.0.2.53'] } })
  await asks.tell({ kind: 'tunnelUp', tunnel: SESSION.tunnel })
  assert.deepEqual(attacks, [true, true, true, true])
  assert.equal(Object.isFrozen(SESSION), false)
})

test('observers are told of their event, and a broken one hurts nobody', async () => {
  const seen: unknown[] = []
  const { asks } = scene({
    taps: [
      hooks => void hooks.tunnelDown.tapPromise('broken', () => Promise.reject(new Error('boom'))),
      hooks => void hooks.tunnelDown.tap('good', event => void seen.push(event)),
    ],
  })
  const reason = { cause: 'peer-hangup' } as const
  await asks.tell({ kind: 'tunnelDown', tunnel: SESSION.tunnel, reason })
  assert.deepEqual(seen, [{ tunnel: SESSION.tunnel, reason }])
})

test('the trail of a call says who decided what, also for refused ones', async () => {
  const { verdictOf, asks } = scene({
    taps: [
      hooks => void hooks.authenticate.tap('radius', () => undefined),
      hooks => void hooks.authenticate.tap('local', () => ({ kind: 'reject', reason: 'bad credentials' })),
    ],
  })
  await verdictOf(ASKS.authenticate)
  assert.deepEqual(asks.trails.of('a1'), [
    { hook: 'authenticate', plugin: 'p0', tap: 'radius', verdict: 'pass', ms: 0, afterMs: 0 },
    {
      hook: 'authenticate',
      plugin: 'p1',
      tap: 'local',
      verdict: 'reject',
      reason: 'bad credentials',
      ms: 0,
      afterMs: 0,
    },
  ])
  assert.deepEqual(asks.trails.of('other'), [])
})

test('a password that a plugin tells in its reason reaches neither trail nor denial', async () => {
  const tell: Tap = hooks => {
    hooks.authenticate.tap('chatty', ({ proof }) => ({
      kind: 'reject',
      reason: `"${proof.password()}" is wrong, the password is not "${proof.password()}"`,
    }))
    return undefined
  }
  const { verdictOf, asks } = scene({ taps: [tell] })
  const masked = '"***" is wrong, the password is not "***"'
  assert.deepEqual(await verdictOf(ASKS.authenticate), { kind: 'deny', reason: masked })
  assert.equal(asks.trails.of('a1')[0]?.reason, masked)
  // To mask a word that reasons are made of would tell the password.
  const word = { ...ASKS.authenticate, proof: { method: 'pap', password: 'password' } } as const
  assert.match(JSON.stringify(await verdictOf(word)), /the password is not/)
})

test('what was decided before a call died is in its trail at once', async () => {
  const { put, asks } = scene({
    taps: [
      hooks => void hooks.authenticate.tap('mine', () => undefined),
      hooks => void hooks.authenticate.tapPromise('hung', () => new Promise(() => {})),
    ],
  })
  const askId = put(ASKS.authenticate)
  await settle()
  asks.withdraw(askId)
  const seen = asks.trails.of('a1').map(({ tap, verdict }) => [tap, verdict])
  assert.deepEqual(seen, [
    ['mine', 'pass'],
    ['hung', 'unavailable'],
  ])
  await settle()
  assert.equal(asks.trails.of('a1').length, 2)
})

test('a plugin that fails at every call is counted and does not fill the log', () => {
  const clock = new VirtualClock()
  const { log, lines } = memoryLog()
  const bounded = new BoundedLog(log, clock)
  const report = tapFaultsTo(bounded)
  for (let n = 0; n < 1000; n++) report({ hook: 'authorize', plugin: 'p', tap: 't', kind: 'late' })
  assert.ok(lines.length < 10)
  assert.deepEqual([...bounded.counts()], [['plugin p did not answer in time in authorize', 1000]])
  bounded.close()
})

test('wrong passwords are slowed down, the wait is in the trail, and the right one still gets in', async () => {
  let asked = 0
  const { verdictOf, asks, clock } = scene({
    taps: [
      hooks => {
        hooks.authenticate.tap('a', ({ user, proof }) => {
          asked++
          return proof.verify(PASSWORD)
            ? { kind: 'accept', user }
            : { kind: 'reject', reason: 'bad credentials' }
        })
        return undefined
      },
    ],
  })
  const wrong = { ...ASKS.authenticate, proof: { method: 'pap', password: 'x' } } as const
  for (let n = 0; n < 3; n++) assert.equal((await verdictOf(wrong)).kind, 'deny')
  let verdict: Verdict | undefined
  void verdictOf(ASKS.authenticate).then(given => {
    verdict = given
  })
  await clock.advance(249)
  assert.equal(asked, 3)
  await clock.advance(1)
  assert.equal(verdict?.kind, 'accept')
  assert.deepEqual(
    asks.trails
      .of('a1')
      .slice(-2)
      .map(({ plugin, tap, verdict, ms }) => [plugin, tap, verdict, ms]),
    [
      ['burrow', 'throttle', 'delay', 250],
      ['p0', 'a', 'accept', 0],
    ],
  )
})

test('a withdrawal while an attempt is held back leaves nothing behind', async () => {
  const { verdictOf, put, asks, clock, verdicts } = scene({
    taps: [hooks => void hooks.authenticate.tap('a', () => ({ kind: 'reject', reason: 'no' }))],
  })
  for (let n = 0; n < 5; n++) {
    let done = false
    void verdictOf(ASKS.authenticate).then(() => {
      done = true
    })
    await clock.until('a verdict', () => done)
  }
  const held = [put(ASKS.authenticate), put(ASKS.authenticate)]
  await settle()
  for (const askId of held) asks.withdraw(askId)
  await settle()
  assert.equal(clock.pending, 0)
  assert.deepEqual(verdicts, [])
})

test('a verifier that hangs does not count against the user', async () => {
  const { verdictOf, clock } = scene({
    taps: [hooks => void hooks.authenticate.tapPromise('a', () => new Promise(() => {}))],
  })
  for (let n = 0; n < 5; n++) {
    const started = clock.now()
    const verdict = verdictOf(ASKS.authenticate)
    await clock.until('a verdict', () => clock.pending === 0, HOOKS.authenticate.deadlineMs)
    assert.equal((await verdict).kind, 'deny')
    assert.equal(clock.now() - started, HOOKS.authenticate.deadlineMs)
  }
})
