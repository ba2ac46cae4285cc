import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Inquiry } from '../../core/hooks/guard.ts'
import type { HookSet } from '../../core/hooks/hook-set.ts'
import { HOOKS, type HookName } from '../../core/hooks/hooks.ts'
import { settle } from '../../core/testing/virtual-clock.ts'
import { gate } from '../support/gate.ts'
import { SESSION } from '../support/session.ts'
import { EVENT, GRANT, LOGIN, never, POLICY, scene, verdictsOf } from './scene.ts'

/** Asks each decision hook, with a tap of `plugin-x` that does `misbehave`. */
const DECISIONS: readonly {
  readonly hook: HookName
  readonly fault: string
  readonly ask: (hooks: HookSet, inquiry: Inquiry, misbehave: () => Promise<never>) => Promise<unknown>
}[] = [
  {
    hook: 'admitTunnel',
    fault: 'deny',
    ask: (hooks, inquiry, misbehave) => {
      hooks.ownedBy({ plugin: 'plugin-x' }).admitTunnel.tapPromise('tap', misbehave)
      return hooks.ask('admitTunnel', inquiry, EVENT)
    },
  },
  {
    hook: 'admitSession',
    fault: 'deny',
    ask: (hooks, inquiry, misbehave) => {
      hooks.ownedBy({ plugin: 'plugin-x' }).admitSession.tapPromise('tap', misbehave)
      return hooks.ask('admitSession', inquiry, { session: SESSION })
    },
  },
  {
    hook: 'authenticate',
    fault: 'unavailable',
    ask: (hooks, inquiry, misbehave) => {
      hooks.ownedBy({ plugin: 'plugin-x' }).authenticate.tapPromise('tap', misbehave)
      return hooks.ask('authenticate', inquiry, LOGIN)
    },
  },
  {
    hook: 'authorize',
    fault: 'deny',
    ask: (hooks, inquiry, misbehave) => {
      hooks.ownedBy({ plugin: 'plugin-x' }).authorize.tapPromise('tap', misbehave)
      return hooks.refine('authorize', inquiry, GRANT, { session: SESSION })
    },
  },
  {
    hook: 'assignAddress',
    fault: 'refuse',
    ask: (hooks, inquiry, misbehave) => {
      hooks.ownedBy({ plugin: 'plugin-x' }).assignAddress.tapPromise('tap', misbehave)
      return hooks.ask('assignAddress', inquiry, { session: SESSION, grant: GRANT, address: 'ipv4' })
    },
  },
  {
    hook: 'decidePolicy',
    fault: 'deny',
    ask: (hooks, inquiry, misbehave) => {
      hooks.ownedBy({ plugin: 'plugin-x' }).decidePolicy.tapPromise('tap', misbehave)
      return hooks.refine('decidePolicy', inquiry, POLICY, { session: SESSION, grant: GRANT, leases: [] })
    },
  },
  {
    hook: 'revalidate',
    fault: 'unavailable',
    ask: (hooks, inquiry, misbehave) => {
      hooks.ownedBy({ plugin: 'plugin-x' }).revalidate.tapPromise('tap', misbehave)
      return hooks.ask('revalidate', inquiry, { session: SESSION, user: 'hb@hb', grant: GRANT })
    },
  },
]

/** An answer of each decision hook to which nothing is wrong. */
const WHOLE: Readonly<Partial<Record<HookName, object>>> = {
  admitTunnel: { kind: 'accept' },
  admitSession: { kind: 'deny', reason: 'r', message: 'm', errorCode: 4 },
  authenticate: { kind: 'accept', user: 'hb@hb', grant: { dns: ['192.0.2.53'], sessionTimeoutS: 60 } },
  authorize: { user: 'hb@hb', routes: ['10.0.0.0/8'], mtuBytes: 1400 },
  assignAddress: { kind: 'lease', value: '172.16.1.51', id: '1' },
  decidePolicy: { zone: 'dmz', rules: [] },
  revalidate: { kind: 'accept', grant: { zone: 'dmz' } },
}

test('the table of faults above covers every decision hook', () => {
  const decisions = Object.entries(HOOKS).filter(([, { kind }]) => kind !== 'observer')
  assert.deepEqual(
    DECISIONS.map(({ hook }) => hook),
    decisions.map(([hook]) => hook),
  )
})

for (const { hook, fault, ask } of DECISIONS) {
  const expectFault = (inquiry: Inquiry, verdict: unknown) => {
    assert.equal((verdict as { kind?: string }).kind, fault)
    assert.match((verdict as { reason: string }).reason, /plugin-x/)
    assert.deepEqual(verdictsOf(inquiry), [`plugin-x ${fault}`])
    assert.equal(inquiry.trail[0]?.hook, hook)
    assert.equal(inquiry.trail[0]?.tap, 'tap')
  }

  test(`${hook} fails closed when a tap hangs, at its deadline and not before`, async () => {
    const { clock, faults, hooks, inquiry } = scene()
    let verdict: unknown
    void ask(hooks, inquiry, never).then(given => {
      verdict = given
    })
    await clock.advance(HOOKS[hook].deadlineMs - 1)
    assert.equal(verdict, undefined)
    await clock.advance(1)
    expectFault(inquiry, verdict)
    assert.equal(inquiry.trail[0]?.ms, HOOKS[hook].deadlineMs)
    assert.deepEqual(faults, [{ hook, plugin: 'plugin-x', tap: 'tap', kind: 'late' }])
    assert.equal(clock.pending, 0)
  })

  test(`${hook} fails closed when a tap throws at once`, async () => {
    const { clock, faults, hooks, inquiry } = scene()
    const error = new Error('boom')
    const verdict = await ask(hooks, inquiry, () => {
      throw error
    })
    expectFault(inquiry, verdict)
    assert.deepEqual(faults, [{ hook, plugin: 'plugin-x', tap: 'tap', kind: 'threw', error }])
    assert.equal(clock.pending, 0)
  })

  test(`${hook} fails closed when a tap rejects`, async () => {
    const { clock, faults, hooks, inquiry } = scene()
    const verdict = await ask(hooks, inquiry, () => Promise.reject(new Error('boom')))
    expectFault(inquiry, verdict)
    assert.equal(faults[0]?.kind, 'threw')
    assert.equal(clock.pending, 0)
  })

  for (const nonsense of [
    true,
    null,
    'accept',
    { kind: 'yes' },
    { kind: fault },
    {},
    { kind: 'constructor' },
  ]) {
    test(`${hook} takes ${JSON.stringify(nonsense)} for no consent`, async () => {
      const { faults, hooks, inquiry } = scene()
      const verdict = await ask(hooks, inquiry, async () => nonsense as never)
      expectFault(inquiry, verdict)
      assert.equal(faults[0]?.kind, 'nonsense')
    })
  }

  for (const field of [{ message: 42 }, { errorCode: 70_000 }, { errorCode: 0.5 }, { grant: 'all' }]) {
    test(`${hook} takes a verdict with ${JSON.stringify(field)} for none`, async () => {
      const { faults, hooks, inquiry } = scene()
      expectFault(inquiry, await ask(hooks, inquiry, async () => ({ ...WHOLE[hook], ...field }) as never))
      assert.equal(faults[0]?.kind, 'nonsense')
    })
  }

  test(`${hook} survives answers that throw when they are looked at`, async () => {
    const trap = new Proxy(
      {},
      { ownKeys: () => assert.fail(), get: () => assert.fail(), has: () => assert.fail() },
    )
    const loop: { self?: unknown; kind: string } = { kind: fault }
    loop.self = loop
    const getter = {
      get kind(): string {
        throw new Error('boom')
      },
    }
    // A proxy that is a promise's value is asked for its `then` by the language itself.
    for (const value of [loop, getter, trap]) {
      for (const misbehave of [async () => value, () => value]) {
        const { hooks, inquiry } = scene()
        expectFault(inquiry, await ask(hooks, inquiry, misbehave as () => Promise<never>))
      }
    }
  })

  test(`${hook} survives a thenable that throws and one that answers twice`, async () => {
    const thenables = [
      () => {
        throw new Error('boom')
      },
      (resolve: (value: unknown) => void) => {
        resolve('nonsense')
        resolve('again')
        throw new Error('boom')
      },
    ]
    for (const then of thenables) {
      const { hooks, inquiry } = scene()
      expectFault(inquiry, await ask(hooks, inquiry, () => ({ then }) as unknown as Promise<never>))
    }
  })

  test(`${hook}: a withdrawal ends the wait at once and aborts the running tap`, async () => {
    const { clock, faults, hooks, inquiry } = scene()
    const verdict = ask(hooks, inquiry, never)
    await settle()
    inquiry.withdraw()
    assert.equal(((await verdict) as { kind: string }).kind, fault)
    assert.deepEqual(faults, [])
    assert.equal(clock.pending, 0)
  })
}

for (const [hook, { ask }] of DECISIONS.map(decision => [decision.hook, decision] as const)) {
  test(`${hook} hands on an answer with which nothing is wrong`, async () => {
    const { hooks, inquiry } = scene()
    assert.deepEqual(await ask(hooks, inquiry, async () => WHOLE[hook] as never), WHOLE[hook])
  })
}

for (const wrong of [
  { dns: '192.0.2.53' },
  { nbns: [1] },
  { routes: '10.0.0.0/8' },
  { routes: [null] },
  { mtuBytes: Number.NaN },
  { sessionTimeoutS: Number.POSITIVE_INFINITY },
  { interimIntervalS: 0.001 },
  { idleTimeoutS: -1 },
  { zone: 7 },
  { pool: {} },
]) {
  const text = JSON.stringify(wrong)
  test(`a grant with ${text} is none, whether an authenticator or authorize gives it`, async () => {
    const { faults, hooks, inquiry, by } = scene()
    by('a').authenticate.tap('a', () => ({ kind: 'accept', user: 'u', grant: wrong as never }))
    by('b').authorize.tap('b', grant => ({ ...grant, ...(wrong as object) }))
    const login = await hooks.ask('authenticate', inquiry, LOGIN)
    const grant = await hooks.refine('authorize', inquiry, GRANT, { session: SESSION })
    assert.deepEqual([login?.kind, 'kind' in grant && grant.kind], ['unavailable', 'deny'])
    assert.equal(faults.length, 2)
  })
}

test('each tap has its whole deadline, however long those before it took, and none longer', async () => {
  const { clock, faults, hooks, inquiry, by } = scene()
  const { deadlineMs } = HOOKS.authenticate
  const slow = () =>
    new Promise<undefined>(resolve => clock.setTimer(deadlineMs - 1, () => resolve(undefined)))
  by('first').authenticate.tapPromise('slow', slow)
  by('second').authenticate.tapPromise('slow', slow)
  by('third').authenticate.tapPromise('hung', never)
  let verdict: unknown
  void hooks.ask('authenticate', inquiry, LOGIN).then(given => {
    verdict = given
  })
  await clock.advance(3 * deadlineMs - 3)
  assert.equal(verdict, undefined)
  assert.deepEqual(faults, [])
  await clock.advance(1)
  assert.deepEqual(verdictsOf(inquiry), ['first pass', 'second pass', 'third unavailable'])
  assert.equal(inquiry.trail.at(-1)?.ms, deadlineMs)
  assert.equal(clock.pending, 0)
})

test("a tap's signal aborts at its deadline and at a withdrawal, and not when it answers", async () => {
  const { clock, hooks, by } = scene()
  const signals: AbortSignal[] = []
  const opened = gate()
  by('a').admitTunnel.tapPromise('a', async ({ signal }) => {
    signals.push(signal)
    await opened.opened
    return undefined
  })
  const slow = new Inquiry()
  void hooks.ask('admitTunnel', slow, EVENT)
  await clock.advance(HOOKS.admitTunnel.deadlineMs)
  const withdrawn = new Inquiry()
  void hooks.ask('admitTunnel', withdrawn, EVENT)
  withdrawn.withdraw()
  const answered = hooks.ask('admitTunnel', new Inquiry(), EVENT)
  opened.open()
  await answered
  assert.deepEqual(
    signals.map(({ aborted, reason }) => [aborted, aborted ? reason : undefined]),
    [
      [true, 'late'],
      [true, 'withdrawn'],
      [false, undefined],
    ],
  )
})

test('a signal that is looked at only after the deadline has aborted already', async () => {
  const { clock, hooks, by } = scene()
  let call: { readonly signal: AbortSignal } | undefined
  by('a').admitTunnel.tapPromise('a', given => {
    call = given
    return never()
  })
  void hooks.ask('admitTunnel', new Inquiry(), EVENT)
  await clock.advance(HOOKS.admitTunnel.deadlineMs)
  assert.equal(call?.signal.aborted, true)
})

test('what a tap answers after its deadline or a withdrawal is handed over as late, with its plugin', async () => {
  const { clock, hooks, by, inquiry, late } = scene()
  const opened = gate()
  const lease = { kind: 'lease', value: '172.16.1.51', id: 'l1' } as const
  by('pool').assignAddress.tapPromise('pool', async () => {
    await opened.opened
    return lease
  })
  const verdict = hooks.ask('assignAddress', inquiry, { session: SESSION, grant: GRANT, address: 'ipv4' })
  await clock.advance(HOOKS.assignAddress.deadlineMs)
  assert.equal((await verdict)?.kind, 'refuse')
  assert.deepEqual(late, [])
  opened.open()
  await settle()
  assert.deepEqual(late, [['pool', lease]])
})

test('a rejection after the deadline is nobody’s unhandled rejection', async () => {
  const { clock, hooks, by, inquiry, faults } = scene()
  const opened = gate()
  by('a').admitTunnel.tapPromise('a', async () => {
    await opened.opened
    throw new Error('too late')
  })
  const verdict = hooks.ask('admitTunnel', inquiry, EVENT)
  await clock.advance(HOOKS.admitTunnel.deadlineMs)
  opened.open()
  await settle()
  assert.equal((await verdict)?.kind, 'deny')
  assert.deepEqual(
    faults.map(({ kind }) => kind),
    ['late'],
  )
})

test('an observer that returns in time leaves no timer behind', async () => {
  const { clock, hooks } = scene()
  hooks.ownedBy({ plugin: 'plugin-x' }).tunnelUp.tapPromise('tap', async () => {})
  await hooks.tell('tunnelUp', EVENT)
  assert.equal(clock.pending, 0)
})
