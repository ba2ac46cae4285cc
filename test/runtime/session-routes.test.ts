import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BurrowError, definePlugin, z } from '../../core/index.ts'
import { SessionRoutes } from '../../core/runtime/session-routes.ts'
import { memoryLog } from '../../core/testing/log.ts'
import { memoryKernel } from '../../core/testing/memory-kernel.ts'
import { auth, pool } from '../support/little-plugins.ts'
import { memoryWorld } from '../support/memory-world.ts'
import { SESSION } from '../support/session.ts'

const lease = (value: string) => ({ owner: 'p', kind: 'ipv4', value, id: value }) as const
const network = { localAddress: '172.16.1.1', peerAddress: '10.9.0.7', dns: [], nbns: [], mtuBytes: 1400 }
const counters = { packetsIn: 0n, octetsIn: 0n, packetsOut: 0n, octetsOut: 0n, drops: {} }

function scene() {
  const { kernel, done } = memoryKernel(['2.2.2.2'])
  const { log } = memoryLog()
  const routes = new SessionRoutes({ kernel, tunName: 't', log })
  routes.begin([{ address: '172.16.1.0', length: 24 }])
  return { routes, done }
}

function events(address: string, grantRoutes?: readonly string[]) {
  const grant = { user: 'u', ...(grantRoutes === undefined ? {} : { routes: grantRoutes }) }
  const held = { session: SESSION, grant, leases: [lease(address)] }
  return {
    up: { kind: 'sessionUp', ...held, network, flowId: 0 },
    down: {
      kind: 'sessionDown',
      ...held,
      wasUp: true,
      reason: { cause: 'peer-hangup' },
      counters,
      durationMs: 1,
    },
  } as const
}

test('an address of a pool needs no route of its own', async () => {
  const { routes, done } = scene()
  const { up, down } = events('172.16.1.51')
  for (const event of [up, down]) routes.take(event)
  await routes.settled()
  assert.deepEqual(done, [])
})

test('an address outside of every pool, and what the grant routes, are routed while the session lasts', async () => {
  const { routes, done } = scene()
  const { up, down } = events('10.9.0.7', ['10.20.0.0/16'])
  routes.take(up)
  await routes.settled()
  assert.deepEqual(done, ['add routes t 10.9.0.7/32,10.20.0.0/16'])
  routes.take({ ...down, session: { ...SESSION, id: 'other' }, wasUp: false })
  await routes.settled()
  assert.equal(done.length, 1, 'a session that never came up had none')
  routes.take(down)
  await routes.settled()
  assert.equal(done.at(-1), 'delete routes t 10.9.0.7/32,10.20.0.0/16')
})

test('prefixes of IPv6 are routed, but for those of a pool', async () => {
  const { routes, done } = scene()
  routes.changePools([
    { address: '172.16.1.0', length: 24 },
    { address: '2001:db8:1::', length: 48 },
  ])
  await routes.settled()
  assert.deepEqual(done, ['add routes t 2001:db8:1::/48'])
  const { up, down } = events('172.16.1.51', ['2001:db8:b::/48'])
  const leases = [
    lease('172.16.1.51'),
    { ...lease('2001:db8:1:7::/64'), kind: 'ipv6-prefix' },
    { ...lease('2001:db8:a::/56'), kind: 'delegated-prefix' },
    { ...lease('2001:db8::/32'), kind: 'delegated-prefix' },
  ] as const
  routes.take({ ...up, leases })
  routes.take(down)
  await routes.settled()
  const own = '2001:db8:a::/56,2001:db8::/32,2001:db8:b::/48'
  assert.deepEqual(done.slice(1), [`add routes t ${own}`, `delete routes t ${own}`])
})

test('what the kernel refuses is logged, and the next change is made all the same', async () => {
  const { kernel, done } = memoryKernel(['2.2.2.2'])
  const { log, lines } = memoryLog()
  const refusing = {
    ...kernel,
    addRoutes: () => Promise.reject(new BurrowError('NETWORK_SETUP', 'ip route add: File exists')),
  }
  const routes = new SessionRoutes({ kernel: refusing, tunName: 't', log })
  const { up, down } = events('10.9.0.7')
  routes.take(up)
  routes.take(down)
  await routes.settled()
  assert.deepEqual(
    lines.map(({ level, fields }) => [level, (fields.error as BurrowError).code, fields.user]),
    [['warn', 'NETWORK_SETUP', 'u']],
  )
  assert.deepEqual(done, ['delete routes t 10.9.0.7/32'])
})

test('a server routes what a grant names, and takes the route back before it stops', async () => {
  const router = definePlugin({
    name: 'router',
    config: z.strictObject({}),
    setup({ hooks }) {
      hooks.authorize.tap('branch office', grant => ({ ...grant, routes: ['10.20.0.0/16'] }))
    },
  })
  const { makeLns, dial, settled, lnsKernel } = memoryWorld({ plugins: [auth, pool(1).plugin, router] })
  const lns = makeLns()
  await lns.start()
  const { connection } = dial('3.3.3.3', {})
  await settled(connection)
  assert.ok(lnsKernel.done.includes('add routes burrow0 10.20.0.0/16'))
  await settled(lns.stop())
  assert.ok(lnsKernel.done.includes('delete routes burrow0 10.20.0.0/16'))
})

test('other pools are routed, and a session whose address is in none of them any more keeps its own route', async () => {
  const { routes, done } = scene()
  const { up, down } = events('172.16.1.51')
  routes.take(up)
  routes.changePools([
    { address: '172.16.1.0', length: 27 },
    { address: '10.1.0.0', length: 16 },
  ])
  await routes.settled()
  const added = 'add routes t 172.16.1.0/27,10.1.0.0/16,172.16.1.51/32'
  assert.deepEqual(done, [added, 'delete routes t 172.16.1.0/24'])
  routes.changePools([{ address: '172.16.1.0', length: 24 }])
  await routes.settled()
  assert.deepEqual(done.slice(2), [
    'add routes t 172.16.1.0/24',
    'delete routes t 172.16.1.0/27,10.1.0.0/16,172.16.1.51/32',
  ])
  routes.take(down)
  await routes.settled()
  assert.equal(done.length, 4, 'nothing is left to take back')
})

test('a session that is granted other routes while it lives gets them, and loses those that it has no more', async () => {
  const { routes, done } = scene()
  const { up, down } = events('172.16.1.51', ['10.20.0.0/16', '10.21.0.0/16'])
  routes.take(up)
  const { session, leases } = up
  routes.take({
    kind: 'sessionChanged',
    session,
    leases,
    grant: { user: 'u', routes: ['10.21.0.0/16', '10.22.0.0/16'] },
  })
  routes.take(down)
  await routes.settled()
  assert.deepEqual(done.slice(1), [
    'add routes t 10.22.0.0/16',
    'delete routes t 10.20.0.0/16',
    'delete routes t 10.21.0.0/16,10.22.0.0/16',
  ])
})

test('a route that a pool and a session both want is there as long as either does', async () => {
  const { routes, done } = scene()
  const pool = (...prefixes: readonly [string, number][]) =>
    prefixes.map(([address, length]) => ({ address, length }))
  routes.changePools(pool(['172.16.1.96', 30], ['172.16.1.100', 32]))
  const { up, down } = events('172.16.1.100')
  routes.take(up)
  await routes.settled()
  const before = done.length
  routes.changePools(pool(['172.16.1.96', 30]))
  routes.changePools(pool(['172.16.1.96', 30], ['172.16.1.100', 32]))
  routes.take(down)
  await routes.settled()
  assert.equal(done.length, before)
  routes.changePools(pool(['172.16.1.96', 30]))
  await routes.settled()
  assert.deepEqual(done.slice(before), ['delete routes t 172.16.1.100/32'])
})

test('what the kernel refuses of many routes keeps none of the others away', async () => {
  const { kernel, done } = memoryKernel(['2.2.2.2'])
  const { log, lines } = memoryLog()
  const picky = {
    ...kernel,
    addRoutes: (name: string, prefixes: readonly string[]) =>
      prefixes.includes('10.2.0.0/16')
        ? Promise.reject(new BurrowError('NETWORK_SETUP', 'ip route add: File exists'))
        : kernel.addRoutes(name, prefixes),
  }
  const routes = new SessionRoutes({ kernel: picky, tunName: 't', log })
  routes.changePools(['10.1.0.0', '10.2.0.0', '10.3.0.0'].map(address => ({ address, length: 16 })))
  await routes.settled()
  assert.deepEqual(done, ['add routes t 10.1.0.0/16', 'add routes t 10.3.0.0/16'])
  assert.deepEqual(
    lines.map(({ fields }) => fields.routes),
    [['10.2.0.0/16']],
  )
})
