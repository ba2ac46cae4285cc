/** A server and its clients, whole, over a network in memory and in virtual time. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BurrowError, definePlugin, type PluginContext, z } from '../../core/index.ts'
import type { Connection } from '../../core/runtime/client.ts'
import { gate } from '../support/gate.ts'
import { auth, pool, recorder } from '../support/little-plugins.ts'
import { type MemoryWorldOptions, memoryWorld } from '../support/memory-world.ts'

function scene(options: Partial<MemoryWorldOptions> & { readonly poolSize?: number } = {}) {
  const { poolSize = 10, plugins = [], ...rest } = options
  const little = { pool: pool(poolSize), recorder: recorder() }
  const world = memoryWorld({
    plugins: [auth, little.pool.plugin, little.recorder.plugin, ...plugins],
    ...rest,
  })
  const messages = (level: string) =>
    world.lines.filter(line => line.level === level).map(line => line.message)
  return { ...world, held: little.pool.held, records: little.recorder.records, messages }
}

/** A packet gets through the tunnel: the session is alive. */
async function assertAlive(
  { clock, lnsTun }: ReturnType<typeof scene>,
  tun: { inject(packet: Uint8Array): void },
  source: string,
) {
  lnsTun.take()
  tun.inject(icmp(source, '192.168.1.1'))
  await clock.advance(10)
  assert.equal(lnsTun.take().length, 1)
}

for (const method of ['pap', 'chap-md5'] as const) {
  test(`a client dials with ${method}, sends a packet to the inside, and hangs up`, async () => {
    const { makeLns, dial, settled, lnsTun, records, held, clock, lnsKernel } = scene()
    const lns = makeLns()
    await lns.start()
    assert.deepEqual(lnsKernel.done, ['configure burrow0 172.16.1.1  1400 [172.16.1.0/24]'])
    const { connection, tun, kernelDone } = dial('3.3.3.3', { auth: [method] })
    const { network, close, ended } = await settled(connection)
    assert.equal(network.localAddress, '172.16.1.51')
    assert.equal(network.peerAddress, '172.16.1.1')
    assert.deepEqual(kernelDone, [
      'pin 2.2.2.2',
      'configure burrow1 172.16.1.51 172.16.1.1 1400 [192.168.1.0/24]',
    ])
    tun.inject(icmp('172.16.1.51', '192.168.1.1'))
    await clock.advance(10)
    assert.equal(lnsTun.take().length, 1)
    assert.deepEqual(
      lns.sessions().map(({ user, address, packetsIn }) => ({ user, address, packetsIn })),
      [{ user: 'hb@hb', address: '172.16.1.51', packetsIn: 1n }],
    )
    await settled(close())
    assert.equal((await ended).cause, 'local-hangup')
    await clock.advance(100)
    assert.deepEqual(
      records.map(line => line.replace(/peer-hangup|tunnel-closed/, 'gone')),
      ['tunnel up', 'start hb@hb', 'stop hb@hb gone 1', 'tunnel down gone'],
    )
    assert.equal(held.size, 0)
    assert.equal(kernelDone.at(-1), 'undo pin 2.2.2.2')
    await settled(lns.stop())
  })
}

test('an LNS that gives its outside address for its inside one does not get the tunnel routed into itself', async () => {
  const { makeLns, dial, settled } = scene({ server: { gatewayAddress: '2.2.2.2' } })
  const lns = makeLns()
  await lns.start()
  const { connection, kernelDone } = dial('3.3.3.3', { routes: [] })
  const { close } = await settled(connection)
  assert.deepEqual(kernelDone, ['configure burrow1 172.16.1.51  1400 []'])
  await settled(close())
  await settled(lns.stop())
})

test('a wrong password is told to the client and to the log, and no other session notices', async () => {
  const s = scene()
  const lns = s.makeLns()
  await lns.start()
  const first = s.dial('3.3.3.3')
  await s.settled(first.connection)
  for (const auth of ['pap', 'chap-md5'] as const)
    await assert.rejects(s.dialled('4.4.4.4', { auth: [auth], password: 'wrong' }), { code: 'DIAL_AUTH' })
  assert.deepEqual(
    s.messages('warn').filter(message => message.startsWith('user')),
    Array(2).fill('user refused: authentication'),
  )
  assert.equal(
    s.lines.find(line => line.message === 'user refused: authentication')?.fields.reason,
    'wrong password',
  )
  assert.deepEqual(
    lns.sessions().map(({ peer }) => peer.split(':')[0]),
    ['3.3.3.3'],
  )
  await assertAlive(s, first.tun, '172.16.1.51')
  await s.settled(lns.stop())
})

test('a full pool is told in the words of the RFC, and the next client gets the address that is freed', async () => {
  const s = scene({ poolSize: 1 })
  const lns = s.makeLns()
  await lns.start()
  const first = await s.dialled('3.3.3.3')
  await assert.rejects(s.dialled('4.4.4.4'), {
    code: 'DIAL_REFUSED',
    message: /result 4, error 4.*facilit.*resources/i,
  })
  assert.ok(s.messages('warn').includes('user refused: no address'))
  await s.settled(first.close())
  await s.clock.advance(100)
  const second = await s.dialled('4.4.4.4')
  assert.equal(second.network.localAddress, '172.16.1.51')
  await s.settled(lns.stop())
})

test('a plugin that fails is told apart from a wrong password', async () => {
  const broken = definePlugin({
    name: 'broken',
    config: z.strictObject({}),
    setup({ hooks }) {
      hooks.authorize.tap('fails', () => {
        throw new Error('the directory is gone')
      })
    },
  })
  const s = scene({ plugins: [broken] })
  const lns = s.makeLns()
  await lns.start()
  await assert.rejects(s.dialled('3.3.3.3'), BurrowError)
  assert.ok(s.messages('error').includes('plugin broken failed in authorize'))
  assert.ok(s.messages('warn').includes('user refused: authorization'))
  assert.equal(s.held.size, 0)
  await s.settled(lns.stop())
})

test('tunnel secrets must agree', async () => {
  const s = scene({ tunnelSecret: 'between us' })
  const lns = s.makeLns()
  await lns.start()
  await assert.rejects(s.dialled('3.3.3.3', { tunnelSecret: 'something else' }), { code: 'DIAL_AUTH' })
  assert.ok(s.messages('warn').includes('tunnel not set up'))
  await assert.rejects(s.dialled('4.4.4.4'), { code: 'DIAL_AUTH' })
  await s.settled((await s.dialled('5.5.5.5', { tunnelSecret: 'between us' })).close())
  await s.settled(lns.stop())
})

test('junk is counted and hurts nobody', async () => {
  const s = scene()
  const lns = s.makeLns()
  await lns.start()
  const first = s.dial('3.3.3.3')
  await s.settled(first.connection)
  const socket = s.network.host('6.6.6.6').bind({ address: '6.6.6.6', port: 5 })
  const path = { local: { address: '6.6.6.6', port: 5 }, remote: { address: '2.2.2.2', port: 1701 } }
  for (const hex of ['', '00', 'c8', 'c802', 'c8020000', 'c802ffff0000000000000000', 'ff'.repeat(1400)])
    socket.sendOne(path, Uint8Array.from(Buffer.from(hex, 'hex')))
  await s.clock.advance(100)
  assert.ok(s.messages('warn').some(message => message.startsWith('datagram ignored')))
  assert.deepEqual(s.messages('error'), [])
  await assertAlive(s, first.tun, '172.16.1.51')
  await s.settled(lns.stop())
})

test('nobody at the address is a timeout', async () => {
  const s = scene()
  const { connection, kernelDone } = s.dial('3.3.3.3')
  await assert.rejects(s.settled(connection), { code: 'DIAL_TIMEOUT' })
  assert.deepEqual(kernelDone, ['pin 2.2.2.2', 'undo pin 2.2.2.2'])
})

test('a dial that is given up while a plugin decides leaves nothing on either side', async () => {
  const asked = gate()
  const slow = definePlugin({
    name: 'slow',
    config: z.strictObject({}),
    setup({ hooks }) {
      hooks.decidePolicy.tapPromise('waits', (policy, { signal }) => {
        asked.open()
        return new Promise(resolve => signal.addEventListener('abort', () => resolve(policy)))
      })
    },
  })
  const s = scene({ plugins: [slow] })
  const lns = s.makeLns()
  await lns.start()
  const { connection, giveUp, kernelDone } = s.dial('3.3.3.3')
  const given = assert.rejects(connection, { code: 'DIAL_FAILED' })
  await s.settled(asked.opened)
  assert.equal(s.held.size, 1)
  giveUp()
  await s.settled(given)
  await s.clock.advance(100)
  assert.deepEqual(lns.sessions(), [])
  assert.equal(s.held.size, 0)
  assert.deepEqual(kernelDone, ['pin 2.2.2.2', 'undo pin 2.2.2.2'])
  await s.settled(lns.stop())
})

test('stopping the server tells every client, writes every Stop, then closes plugins and restores the kernel', async () => {
  const s = scene({ server: { manageKernel: true }, findings: [FINDING] })
  const lns = s.makeLns()
  await lns.start()
  const clients = [await s.dialled('3.3.3.3'), await s.dialled('4.4.4.4')]
  const stoppedAt = s.clock.now()
  await s.settled(lns.stop())
  assert.ok(s.clock.now() - stoppedAt < 1000, 'acknowledgements end the wait')
  const ends = await s.settled(Promise.all(clients.map(({ ended }) => ended)))
  assert.deepEqual(new Set(ends.map(({ cause }) => cause)), new Set(['peer-hangup']))
  assert.deepEqual(
    s.records
      .slice(-5)
      .map(line => line.split(' ')[0])
      .sort(),
    ['stop', 'stop', 'stopped', 'tunnel', 'tunnel'],
  )
  assert.equal(s.records.at(-1), 'stopped')
  assert.deepEqual(s.lnsKernel.done.slice(1), ['mend net.ipv4.ip_forward', 'undo mend', 'watch stopped'])
  assert.equal(s.held.size, 0)
})

test('a peer that is gone does not hold up the stop for ever', async () => {
  const s = scene()
  const lns = s.makeLns()
  await lns.start()
  const { connection } = s.dial('3.3.3.3')
  await s.settled(connection)
  s.cut('3.3.3.3')
  const stoppedAt = s.clock.now()
  await s.settled(lns.stop())
  assert.equal(s.clock.now() - stoppedAt, 6000)
  assert.ok(s.records.includes('stop hb@hb shutdown 0'))
})

const FINDING = {
  setting: 'net.ipv4.ip_forward',
  file: '/proc/sys/net/ipv4/ip_forward',
  is: '0',
  wanted: '1',
  why: 'sessions are forwarded',
  command: 'sysctl -w net.ipv4.ip_forward=1',
}

test('a kernel that does not forward is a warning with the command, unless we may set it', async () => {
  const s = scene({ findings: [FINDING] })
  const lns = s.makeLns()
  await lns.start()
  assert.ok(s.messages('warn').some(message => message.includes(FINDING.command)))
  assert.ok(!s.lnsKernel.done.some(done => done.startsWith('mend')))
  await s.settled(lns.stop())
})

test('a boot that fails closes what it opened: the next one finds the port free', async () => {
  let fail = true
  const fragile = definePlugin({
    name: 'fragile',
    config: z.strictObject({}),
    setup: () => ({
      start() {
        if (fail) throw new BurrowError('ACCOUNTING_FILE', 'no such folder')
      },
    }),
  })
  const s = scene({ plugins: [fragile] })
  await assert.rejects(s.makeLns().start(), { code: 'ACCOUNTING_FILE' })
  assert.deepEqual(s.records, ['stopped'])
  fail = false
  const lns = s.makeLns()
  await lns.start()
  await assert.rejects(s.makeLns().start(), { code: 'PORT_IN_USE' })
  assert.deepEqual(s.records, ['stopped', 'stopped'])
  await s.settled((await s.dialled('3.3.3.3')).close())
  await s.settled(lns.stop())
})

test('a client notices that the server was restarted, and dials again', async () => {
  const s = scene()
  await s.makeLns().start()
  const { ended, close } = await s.dialled('3.3.3.3')
  await s.crash()
  s.held.clear()
  const lns = s.makeLns()
  await lns.start()
  const crashedAt = s.clock.now()
  const reason = await s.settled(ended)
  assert.ok(s.clock.now() - crashedAt <= 100_000)
  assert.ok(['peer-silent', 'retransmit-exhausted'].includes(reason.cause), reason.cause)
  await s.settled(close())
  const again = await s.dialled('3.3.3.3')
  await s.settled(again.close())
  await s.settled(lns.stop())
})

test('a plugin ends a session, and its client is told', async () => {
  let context: PluginContext | undefined
  const admin = definePlugin({
    name: 'admin',
    config: z.strictObject({}),
    setup(given) {
      context = given
    },
  })
  const s = scene({ plugins: [admin] })
  const lns = s.makeLns()
  await lns.start()
  const connection: Connection = await s.dialled('3.3.3.3')
  const [session] = context?.server.sessionsOf('hb@hb') ?? []
  assert.ok(session !== undefined)
  assert.equal(context?.server.sessionHolding({ owner: 'little-pool', value: '172.16.1.51' })?.id, session.id)
  await s.settled(
    context?.server.endSession(session.key, 'admin-reset', 'by the operator') ?? Promise.reject(),
  )
  assert.equal(s.held.size, 0)
  assert.equal((await s.settled(connection.ended)).cause, 'peer-hangup')
  assert.deepEqual(context?.server.sessionsOf('hb@hb'), [])
  await s.settled(lns.stop())
})

function icmp(source: string, destination: string): Uint8Array {
  const packet = Uint8Array.from(
    Buffer.from('4500001c000100004001000000000000000000000800f7fe00010000', 'hex'),
  )
  packet.set(source.split('.').map(Number), 12)
  packet.set(destination.split('.').map(Number), 16)
  let sum = 0
  const view = new DataView(packet.buffer)
  for (let at = 0; at < 20; at += 2) sum += view.getUint16(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  view.setUint16(10, ~sum & 0xffff)
  return packet
}
