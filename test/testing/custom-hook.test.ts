/**
 * What the author of a plugin writes: the plugin, and its tests, with nothing but `burrow` and `burrow/testing`. It lets in
 * whoever sends a code that was not used before, gives out four addresses, writes a journal, and keeps guests to the web.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Clock, definePlugin, type Proof, z } from 'burrow'
import {
  type AnyPlugin,
  accountingSinkContract,
  addressAllocatorContract,
  aSession,
  authenticatorContract,
  chapProof,
  type KeptRecord,
  loadPlugin,
  papProof,
  policyContract,
  SeededRandom,
  SharedResources,
  settle,
  setUpPlugin,
  startMemoryLns,
  startPlugin,
  VirtualClock,
} from 'burrow/testing'

const USER = 'ann'
const SECRET = 'right horse'

/** A verifier somewhere else, which may be gone or silent. */
class Directory {
  state: 'up' | 'down' | 'silent' = 'up'

  async check(user: string, proof: Proof): Promise<boolean> {
    if (this.state === 'down') throw new Error('connection refused')
    if (this.state === 'silent') await new Promise(() => {})
    const right = proof.verify(SECRET)
    return user === USER && right
  }
}

const GIVE_UP_MS = 3000

/** Resolves to undefined after a while, or when the call ends. */
function within<T>(clock: Clock, signal: AbortSignal, promise: Promise<T>): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const giveUp = () => settle(() => resolve(undefined))
    const timer = clock.setTimer(GIVE_UP_MS, giveUp)
    const settle = (how: () => void) => {
      timer.cancel()
      signal.removeEventListener('abort', giveUp)
      how()
    }
    signal.addEventListener('abort', giveUp)
    promise.then(
      value => settle(() => resolve(value)),
      error => settle(() => reject(error)),
    )
  })
}

const directoryAuth = (directory = new Directory()) =>
  definePlugin({
    name: 'directory-auth',
    config: z.strictObject({}),
    setup({ hooks, clock }) {
      hooks.authenticate.tapPromise('directory', async ({ user, proof, signal }) => {
        const answer = await within(clock, signal, directory.check(user, proof)).catch(() => undefined)
        if (answer === undefined) return { kind: 'unavailable', reason: 'the directory does not answer' }
        return answer ? { kind: 'accept', user } : { kind: 'reject', reason: 'the directory says no' }
      })
    },
  })

for (const [method, prove] of [
  ['PAP', papProof],
  ['CHAP', chapProof],
] as const) {
  authenticatorContract({
    name: `directory-auth with ${method}`,
    make: t => startPlugin(t, directoryAuth()),
    user: USER,
    secret: SECRET,
    prove,
    unknown: 'reject',
    makeUnavailable: async (t, onUnavailable) => {
      const directory = new Directory()
      directory.state = 'down'
      const setting = onUnavailable === undefined ? {} : { onUnavailable }
      const plugin = await startPlugin(t, directoryAuth(directory), setting)
      return {
        plugin,
        repair: () => {
          directory.state = 'up'
        },
      }
    },
    makeHung: t => {
      const directory = new Directory()
      directory.state = 'silent'
      return startPlugin(t, directoryAuth(directory))
    },
  })
}

test('a directory that goes silent ends the call, and holds up nobody else', async t => {
  const directory = new Directory()
  const lns = await startMemoryLns(t, { plugins: [directoryAuth(directory)] })
  const first = await lns.dialUp({ user: USER, password: SECRET })
  directory.state = 'silent'
  const second = await lns.dial({ user: USER, password: SECRET, from: '198.51.100.8' })
  assert.equal(second.kind === 'refused' && second.reason.cause, 'auth-failed')
  assert.ok(lns.clock.now() >= GIVE_UP_MS)
  assert.ok(lns.log.some(({ fields }) => fields.reason === 'the directory does not answer'))
  assert.ok(await first.reaches('192.168.1.1'))
})

const fourAddresses = definePlugin({
  name: 'four-addresses',
  config: z.strictObject({ prefix: z.string().default('10.0.0') }),
  setup({ hooks, random, shared }, { prefix }) {
    const held = shared('held', () => new Map<string, string>())
    hooks.assignAddress.tap('four', () => {
      const value = [1, 2, 3, 4].map(last => `${prefix}.${last}`).find(address => !held.has(address))
      if (value === undefined) return { kind: 'refuse', reason: 'all four are leased' }
      const id = random.uint32().toString(16)
      held.set(value, id)
      return { kind: 'lease', value, id }
    })
    return {
      releaseLease({ value, id }) {
        if (held.get(value) === id) held.delete(value)
      },
      resumeLease({ value, id }) {
        if (held.has(value)) return held.get(value) === id
        held.set(value, id)
        return true
      },
    }
  },
})

addressAllocatorContract({
  name: 'four-addresses',
  capacity: 4,
  make: (t, shared) => startPlugin(t, fourAddresses, shared === undefined ? {} : { shared }),
})

test('the next generation of the config gets what the one before it has open', async t => {
  const shared = new SharedResources()
  const old = await startPlugin(t, fourAddresses, { shared })
  const lease = await old.assign(aSession(), { user: USER })
  const next = await startPlugin(t, fourAddresses, { shared })
  const other = await next.assign(aSession(), { user: USER })
  assert.ok(typeof lease === 'object' && typeof other === 'object')
  assert.deepEqual([lease.value, other.value], ['10.0.0.1', '10.0.0.2'])
  await next.releaseLease(lease)
  assert.equal(await old.resumeLease(lease, aSession(), { user: USER }), true)
})

/** Writes where it is told to. */
const journal = (write: (record: KeptRecord) => void) =>
  definePlugin({
    name: 'journal',
    config: z.strictObject({}),
    setup({ hooks, log }) {
      const keep = (record: KeptRecord) => {
        try {
          write(record)
        } catch (error) {
          log.error({ error }, 'a record is lost')
        }
      }
      const who = ({ id }: { readonly id: string }, { user }: { readonly user: string }) => ({
        session: id,
        user,
      })
      hooks.sessionUp.tap('journal', ({ session, grant }) => keep({ event: 'start', ...who(session, grant) }))
      hooks.sessionUpdate.tap('journal', ({ session, grant, counters }) =>
        keep({ event: 'interim', ...who(session, grant), octetsIn: Number(counters.octetsIn) }),
      )
      hooks.sessionDown.tap('journal', ({ session, grant, counters }) =>
        keep({ event: 'stop', ...who(session, grant), octetsIn: Number(counters.octetsIn) }),
      )
    },
  })

accountingSinkContract({
  name: 'journal',
  make: async t => {
    const kept: KeptRecord[] = []
    const plugin = await startPlugin(
      t,
      journal(record => void kept.push(record)),
    )
    return { plugin, records: async () => kept.splice(0) }
  },
  makeBroken: t =>
    startPlugin(
      t,
      journal(() => {
        throw new Error('the disk is full')
      }),
    ),
})

test('a journal has a start, an update every five minutes, and a stop with what was sent', async t => {
  const kept: KeptRecord[] = []
  const lns = await startMemoryLns(t, { plugins: [journal(record => void kept.push(record))] })
  const call = await lns.dialUp({ user: 'hb@hb', password: 'admin@123' })
  await call.reaches('192.168.1.1', { protocol: 'tcp', port: 443 })
  await lns.clock.advance(300_000)
  await call.hangUp()
  assert.deepEqual(
    kept.map(({ event, octetsIn }) => [event, octetsIn]),
    [
      ['start', undefined],
      ['interim', 40],
      ['stop', 40],
    ],
  )
})

const INTRANET = '192.168.1.1'
/** Guests may ask the intranet for web pages, and nobody else has a zone here. */
const webOnly: AnyPlugin = definePlugin({
  name: 'web-only',
  config: z.strictObject({ zone: z.string() }),
  setup({ hooks }, { zone }) {
    let started = false
    hooks.decidePolicy.tap('web', policy =>
      started && policy.zone === zone
        ? {
            ...policy,
            rules: [
              ...policy.rules,
              {
                action: 'permit',
                direction: 'from-session',
                destination: [{ address: INTRANET, length: 32 }],
                protocol: 6,
                destinationPorts: [{ from: 80, to: 80 }],
                name: 'web',
              },
            ],
          }
        : { kind: 'deny', reason: `zone ${policy.zone} is not for ${zone}` },
    )
    return {
      start() {
        started = true
      },
    }
  },
})
const GUEST = { user: 'guest', zone: 'guests' }

policyContract({
  name: 'web-only',
  make: t => startPlugin(t, webOnly, { options: { zone: 'guests' } }),
  makeUnstarted: () => setUpPlugin(webOnly, { options: { zone: 'guests' } }),
  grant: GUEST,
  address: '10.0.0.1',
  hosts: ['10.0.0.1', '10.0.0.2', INTRANET, '8.8.8.8'],
  permitted: ({ direction, destination, protocol, port }) =>
    direction === 'from-session' && destination === INTRANET && protocol === 6 && port === 80,
})

test('options are checked by the schema of the plugin', async () => {
  await assert.rejects(loadPlugin(webOnly), { code: 'PLUGIN_OPTIONS' })
  assert.deepEqual((await loadPlugin(webOnly, { options: { zone: 'guests' } })).faults, [])
})

test('decisions can be asked one by one, and observers told', async t => {
  const told: string[] = []
  const all = definePlugin({
    name: 'all',
    config: z.strictObject({}),
    setup({ hooks, log }) {
      hooks.admitTunnel.tap('all', ({ tunnel }) =>
        tunnel.path.remote.address === '1.1.1.1' ? undefined : { kind: 'deny', reason: 'not from there' },
      )
      hooks.admitSession.tap('all', () => ({ kind: 'accept' }))
      hooks.authorize.tap('all', grant => ({ ...grant, idleTimeoutS: 60 }))
      hooks.tunnelUp.tap('all', ({ tunnel }) => {
        told.push(tunnel.peerHostName)
        log.info({ host: tunnel.peerHostName }, 'hello')
      })
    },
  })
  const plugin = await startPlugin(t, all)
  assert.equal((await plugin.admitTunnel()).verdict, undefined)
  const elsewhere = { ...aSession().tunnel, path: { local: HERE, remote: { address: '9.9.9.9', port: 1 } } }
  assert.equal((await plugin.admitTunnel(elsewhere)).trail[0]?.reason, 'not from there')
  assert.equal((await plugin.admitSession()).verdict?.kind, 'accept')
  assert.deepEqual((await plugin.authorize({ user: USER })).verdict, { user: USER, idleTimeoutS: 60 })
  await plugin.tell('tunnelUp', { tunnel: elsewhere })
  assert.deepEqual(told, ['LAC'])
  assert.deepEqual(
    plugin.log.map(({ level, message, fields }) => [level, message, fields]),
    [['info', 'hello', { plugin: 'all', host: 'LAC' }]],
  )
})
const HERE = { address: '2.2.2.2', port: 1701 }

test('time passes by hand, for one wait and for several', async () => {
  const clock = new VirtualClock()
  const random = new SeededRandom(1)
  const fired: number[] = []
  const delays = Array.from({ length: 50 }, () => random.uint16())
  for (const delay of delays) clock.setTimer(delay, () => fired.push(clock.now()))
  const cancelled = clock.setTimer(5, () => assert.fail('it was cancelled'))
  cancelled.cancel()
  assert.equal(clock.pending, 50)
  const half = clock.until('half have fired', () => fired.length >= 25, 65_536)
  const passed = clock.advance(65_536)
  await Promise.all([half, passed, clock.settled('the other wait', half)])
  assert.deepEqual(
    fired,
    [...delays].sort((a, b) => a - b),
  )
  assert.equal(clock.now(), 65_536)
  assert.equal(clock.pending, 0)
  await assert.rejects(
    clock.until('never', () => false, 10),
    /never/,
  )
  await assert.rejects(clock.settled('it fails', Promise.reject(new Error('as it does'))), /as it does/)
})

test('time never runs backwards, however short the one wait and long the other', async () => {
  const clock = new VirtualClock()
  for (let at = 500; at < 510; at++) clock.setTimer(at, () => {})
  let over = false
  const waits = Promise.all([clock.advance(1000), clock.advance(10)]).then(() => {
    over = true
  })
  for (let last = 0; !over; last = clock.now()) {
    await settle(1)
    assert.ok(clock.now() >= last, `${clock.now()} after ${last}`)
  }
  await waits
  assert.equal(clock.now(), 1000)
})
