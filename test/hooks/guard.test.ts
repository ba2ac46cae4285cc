import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Inquiry, type TapFault } from '../../core/hooks/guard.ts'
import { HookSet } from '../../core/hooks/hook-set.ts'
import { HOOKS, type HookName } from '../../core/hooks/hooks.ts'
import type { AuthenticateCall, AuthenticateVerdict } from '../../core/hooks/views.ts'
import type { Grant, SessionInfo, SessionPolicy } from '../../core/protocol/outputs.ts'
import { createProof } from '../../core/runtime/proof.ts'
import { gate } from '../support/gate.ts'
import { settle, VirtualClock } from '../support/virtual-clock.ts'

const SESSION: SessionInfo = {
  key: '192.0.2.1/1/81',
  id: 'a1',
  tunnel: {
    key: '192.0.2.1/1',
    role: 'lns',
    path: {
      local: { address: '192.0.2.1', port: 1701 },
      remote: { address: '198.51.100.7', port: 40000 },
    },
    localTunnelId: 1,
    peerTunnelId: 2,
    peerHostName: 'phone',
  },
  localSessionId: 81,
  peerSessionId: 77,
  callSerialNumber: 0,
}
const LOGIN = { session: SESSION, user: 'hb@hb', proof: createProof({ method: 'pap', password: 'x' }) }
const GRANT: Grant = { user: 'hb@hb' }
const POLICY: SessionPolicy = { zone: 'dmz', rules: [] }
const EVENT = { tunnel: SESSION.tunnel }

function scene() {
  const clock = new VirtualClock()
  const faults: TapFault[] = []
  const hooks = new HookSet({ clock, report: fault => faults.push(fault) })
  const late: unknown[] = []
  const inquiry = new Inquiry((plugin, value) => late.push([plugin, value]))
  return { clock, faults, hooks, late, inquiry, by: (plugin: string) => hooks.ownedBy({ plugin }) }
}

const verdictsOf = ({ trail }: Inquiry) => trail.map(({ plugin, verdict }) => `${plugin} ${verdict}`)
const never = () => new Promise<never>(() => {})

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
]

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

test('taps are asked in the order in which they were registered, until one answers', async () => {
  const { hooks, by, inquiry } = scene()
  const asked: string[] = []
  const tap = (plugin: string, verdict: AuthenticateVerdict | undefined) =>
    by(plugin).authenticate.tapPromise(plugin, async () => {
      asked.push(plugin)
      return verdict
    })
  tap('first', undefined)
  tap('second', { kind: 'reject', reason: 'bad credentials' })
  tap('third', { kind: 'accept', user: 'hb@hb' })
  assert.deepEqual(await hooks.ask('authenticate', inquiry, LOGIN), {
    kind: 'reject',
    reason: 'bad credentials',
  })
  assert.deepEqual(asked, ['first', 'second'])
  assert.equal(inquiry.answeredBy, 'second')
  assert.deepEqual(
    inquiry.trail.map(({ plugin, verdict, reason }) => [plugin, verdict, reason]),
    [
      ['first', 'pass', undefined],
      ['second', 'reject', 'bad credentials'],
    ],
  )
})

test('a slow tap that answers in time is waited for, and its time is in the trail', async () => {
  const { clock, hooks, by, inquiry } = scene()
  by('slow').authenticate.tapPromise('slow', ({ user }) => {
    return new Promise(resolve => clock.setTimer(9_999, () => resolve({ kind: 'accept', user })))
  })
  const verdict = hooks.ask('authenticate', inquiry, LOGIN)
  await clock.advance(9_999)
  assert.deepEqual(await verdict, { kind: 'accept', user: 'hb@hb' })
  assert.equal(inquiry.trail[0]?.ms, 9_999)
})

test('nobody answers: a first-answer hook gives undefined, a waterfall its value', async () => {
  const { hooks, inquiry } = scene()
  assert.equal(await hooks.ask('authenticate', inquiry, LOGIN), undefined)
  assert.equal(await hooks.refine('authorize', inquiry, GRANT, { session: SESSION }), GRANT)
  assert.deepEqual(inquiry.trail, [])
})

test('a waterfall hands each tap what the one before made of it', async () => {
  const { hooks, by, inquiry } = scene()
  by('a').authorize.tap('a', grant => ({ ...grant, pool: 'staff' }))
  by('b').authorize.tapPromise('b', async () => undefined)
  by('c').authorize.tapPromise('c', async grant => ({ ...grant, zone: `${grant.pool}-zone` }))
  assert.deepEqual(await hooks.refine('authorize', inquiry, GRANT, { session: SESSION }), {
    user: 'hb@hb',
    pool: 'staff',
    zone: 'staff-zone',
  })
  assert.deepEqual(verdictsOf(inquiry), ['a changed', 'b pass', 'c changed'])
})

test('after a denial no other tap of a waterfall is asked', async () => {
  const { hooks, by, inquiry } = scene()
  by('a').decidePolicy.tap('a', () => ({ kind: 'deny', reason: 'closed at night' }))
  by('b').decidePolicy.tap('b', () => assert.fail('asked after a denial'))
  const call = { session: SESSION, grant: GRANT, leases: [] }
  assert.deepEqual(await hooks.refine('decidePolicy', inquiry, POLICY, call), {
    kind: 'deny',
    reason: 'closed at night',
  })
  assert.deepEqual(verdictsOf(inquiry), ['a deny'])
})

for (const [what, first] of [
  ['says that it is unavailable', async () => ({ kind: 'unavailable', reason: 'no server' }) as const],
  ['fails', () => Promise.reject(new Error('boom'))],
  ['hangs', never],
] as const) {
  for (const onUnavailable of ['reject', 'next', undefined] as const) {
    const goesOn = onUnavailable === 'next'
    test(`an authenticator that ${what} with onUnavailable ${onUnavailable} ${goesOn ? 'is followed' : 'is the last'}`, async () => {
      const { clock, hooks, by, inquiry } = scene()
      const owner = { plugin: 'radius', ...(onUnavailable === undefined ? {} : { onUnavailable }) }
      hooks.ownedBy(owner).authenticate.tapPromise('radius', first)
      by('local').authenticate.tapPromise('local', async ({ user, signal }: AuthenticateCall) => {
        assert.equal(signal.aborted, false)
        return { kind: 'accept', user }
      })
      const verdict = hooks.ask('authenticate', inquiry, LOGIN)
      await clock.advance(HOOKS.authenticate.deadlineMs)
      assert.equal((await verdict)?.kind, goesOn ? 'accept' : 'unavailable')
      assert.deepEqual(
        verdictsOf(inquiry),
        goesOn ? ['radius unavailable', 'local accept'] : ['radius unavailable'],
      )
    })
  }
}

test('after a withdrawal the next authenticator is not asked, whatever onUnavailable says', async () => {
  const { hooks, by, inquiry } = scene()
  let asked = false
  hooks.ownedBy({ plugin: 'radius', onUnavailable: 'next' }).authenticate.tapPromise('radius', never)
  by('local').authenticate.tap('local', () => {
    asked = true
    return undefined
  })
  const verdict = hooks.ask('authenticate', inquiry, LOGIN)
  await settle()
  inquiry.withdraw()
  assert.equal((await verdict)?.kind, 'unavailable')
  assert.equal(asked, false)
})

test('observers run side by side; one that hangs, throws or rejects neither stops nor outlasts the others', async () => {
  const { clock, hooks, by, faults } = scene()
  const seen: string[] = []
  by('hangs').tunnelUp.tapPromise('hangs', never)
  by('throws').tunnelUp.tap('throws', () => {
    throw new Error('boom')
  })
  by('rejects').tunnelUp.tapPromise('rejects', () => Promise.reject(new Error('boom')))
  by('good').tunnelUp.tapPromise('good', async ({ tunnel }) => {
    seen.push(tunnel.peerHostName)
  })
  let told = false
  void hooks.tell('tunnelUp', EVENT).then(() => {
    told = true
  })
  await settle()
  assert.deepEqual(seen, ['phone'])
  assert.equal(told, false)
  await clock.advance(HOOKS.tunnelUp.deadlineMs)
  assert.equal(told, true)
  assert.deepEqual(
    faults.map(({ plugin, kind }) => `${plugin} ${kind}`),
    ['throws threw', 'rejects threw', 'hangs late'],
  )
  assert.equal(clock.pending, 0)
})

test('the order of hooks names plugin and tap', () => {
  const { hooks, by } = scene()
  by('radius').authenticate.tapPromise('pap', never)
  by('local').authenticate.tapPromise('users', never)
  assert.deepEqual(hooks.order().find(({ hook }) => hook === 'authenticate')?.taps, [
    { plugin: 'radius', tap: 'pap' },
    { plugin: 'local', tap: 'users' },
  ])
  assert.deepEqual(
    hooks.order().map(({ hook }) => hook),
    Object.keys(HOOKS),
  )
})

test('the hooks that a plugin gets are frozen, and it cannot push in front of others', async () => {
  const { hooks, by, inquiry } = scene()
  const mine = by('b')
  assert.ok(Object.isFrozen(mine) && Object.values(mine).every(Object.isFrozen))
  by('a').admitTunnel.tap('a', () => ({ kind: 'deny', reason: 'first' }))
  const pushy = { name: 'b', stage: -10, before: 'a' } as unknown as string
  assert.throws(() => mine.admitTunnel.tap(pushy, () => ({ kind: 'accept' })))
  assert.equal((await hooks.ask('admitTunnel', inquiry, EVENT))?.kind, 'deny')
})
