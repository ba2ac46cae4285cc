/** ipsec-strongswan: who is let in, and what becomes of tunnels whose SA goes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Path, TunnelInfo } from '../../core/index.ts'
import { aSession, aTunnel } from '../../core/testing/samples.ts'
import { sectionOf } from '../../plugins/ipsec-strongswan/vici-codec.ts'
import { aSa, type FakeCharon } from '../support/fake-charon.ts'
import { from, GRACE_MS, keyed, PROTECTION, passing, scene, seen, tied } from '../support/ipsec-scene.ts'
import { until } from '../support/until.ts'

test('L2TP in the clear is refused, with a reason that says so', async t => {
  const { admit, server } = await scene(t)
  const verdict = await admit()
  assert.equal(verdict.kind, 'deny')
  assert.match(
    verdict.reason ?? '',
    /in the clear: no IPsec SA is between 1\.1\.1\.1:50000 and 2\.2\.2\.2:1701/,
  )
  assert.deepEqual(server.liveTunnels, [])
})

test('a tunnel inside of an SA is passed on to the next plugin, and shows cipher and identity', async t => {
  const { charon, admit, server, plugin } = await scene(t)
  charon.change([aSa()], 'child-updown', aSa())
  assert.equal((await admit()).kind, 'passed on')
  assert.deepEqual(server.liveTunnels[0]?.protection, PROTECTION)
  assert.deepEqual(plugin.faults, [])
})

test('an SA that came up without an event that we saw is found by a look', async t => {
  const { charon, admit } = await scene(t)
  charon.sas = [aSa()]
  assert.equal((await admit()).kind, 'passed on')
})

test('however many dial in the clear, charon is asked twice a second at most', async t => {
  const { charon, plugin, clock } = await scene(t)
  const before = charon.looks
  const flood = Array.from({ length: 200 }, (_, port) => plugin.admitTunnel(aTunnel(from('6.6.6.6', port))))
  const verdicts = await passing(clock, Promise.all(flood))
  assert.ok(verdicts.every(({ verdict }) => verdict?.kind === 'deny'))
  assert.equal(charon.looks, before + 1)
  const asked = clock.now()
  await passing(clock, plugin.admitTunnel(aTunnel(from('6.6.6.6'))))
  assert.ok(clock.now() - asked >= 400, 'the next look waits')
})

const COVERED: readonly (readonly [
  what: string,
  sa: Parameters<typeof aSa>[0],
  path: Path,
  admitted: boolean,
])[] = [
  ['another host', {}, from('9.9.9.9'), false],
  ['another port of the same host', { 'remote-ts': ['1.1.1.1/32[udp/1701]'] }, from('1.1.1.1', 1702), false],
  ['its one port', { 'remote-ts': ['1.1.1.1/32[udp/l2f]'] }, from('1.1.1.1'), true],
  ['a range of ports', { 'remote-ts': ['1.1.1.1/32[17/1024-65535]'] }, from('1.1.1.1', 40_000), true],
  ['another protocol', { 'remote-ts': ['1.1.1.1/32[tcp]'] }, from('1.1.1.1'), false],
  ['any protocol', { 'remote-ts': ['1.1.1.1/32'], 'local-ts': ['2.2.2.2/32'] }, from('1.1.1.1'), true],
  [
    'a port by a name that nobody knows',
    { 'remote-ts': ['1.1.1.1/32[udp/nonsense]'] },
    from('1.1.1.1'),
    false,
  ],
  ['an SA that is not installed', { state: 'INSTALLING' }, from('1.1.1.1'), false],
  ['an SA that is being deleted', { state: 'DELETING' }, from('1.1.1.1'), false],
  ['an SA that is being rekeyed', { state: 'REKEYING' }, from('1.1.1.1'), true],
  ['another address of ours', { local: '3.3.3.3' }, from('1.1.1.1'), false],
  // The ends agreed on the address inside; the kernel shows that of the NAT, and the port inside.
  [
    'a NAT, transport mode',
    { 'remote-ts': ['192.168.0.7/32[udp/l2f]'], encap: 'yes' },
    from('1.1.1.1'),
    true,
  ],
  ['a NAT, another port inside', { 'remote-ts': ['192.168.0.7/32[udp/l2f]'] }, from('1.1.1.1', 5), false],
  [
    'tunnel mode, its inner address',
    { mode: 'TUNNEL', 'remote-ts': ['10.0.0.7/32'] },
    from('10.0.0.7'),
    true,
  ],
  ['tunnel mode, a network', { mode: 'TUNNEL', 'remote-ts': ['10.0.0.0/24[udp]'] }, from('10.0.0.7'), true],
  ['tunnel mode, a range', { mode: 'TUNNEL', 'remote-ts': ['10.0.0.1..10.0.0.9'] }, from('10.0.0.7'), true],
  [
    'tunnel mode, its outer address',
    { mode: 'TUNNEL', 'remote-ts': ['10.0.0.7/32'] },
    from('1.1.1.1'),
    false,
  ],
]
for (const [what, sa, path, admitted] of COVERED) {
  test(`${what}: ${admitted ? 'protected' : 'in the clear'}`, async t => {
    const { charon, admit } = await scene(t)
    charon.sas = [aSa(sa)]
    assert.equal((await admit(aTunnel(path))).kind, admitted ? 'passed on' : 'deny')
  })
}

test('IPv6 addresses are the same in whatever form they are written', async t => {
  const { charon, admit } = await scene(t)
  charon.sas = [
    aSa({
      remote: '2001:db8:0:0::7',
      local: '2001:DB8::1',
      'local-ts': ['2001:db8::1/128[udp/l2f]'],
      'remote-ts': ['2001:db8::7/128[udp]'],
    }),
  ]
  const path = {
    local: { address: '2001:db8::1', port: 1701 },
    remote: { address: '2001:db8::7', port: 1701 },
  }
  assert.equal((await admit(aTunnel(path))).kind, 'passed on')
})

test('without `require` nobody is refused, and who is protected is known', async t => {
  const { charon, admit, server } = await scene(t, { require: false })
  charon.sas = [aSa()]
  assert.equal((await admit(keyed('a', from('9.9.9.9')))).kind, 'passed on')
  assert.equal((await admit(keyed('b', from('1.1.1.1')))).kind, 'passed on')
  assert.deepEqual(
    server.liveTunnels.map(({ protection }) => protection?.protocol),
    [undefined, 'IKEv1'],
  )
})

test('a tunnel that another plugin let in places no call', async t => {
  const { charon, plugin, clock } = await scene(t)
  charon.sas = [aSa()]
  const call = async (tunnel: TunnelInfo) =>
    (await passing(clock, plugin.admitSession(aSession({ tunnel })))).verdict?.kind
  assert.equal(await call(aTunnel()), 'deny')
  assert.equal(await call({ ...aTunnel(), protection: PROTECTION }), undefined)
  assert.equal(await call({ ...aTunnel(), protection: { ...PROTECTION, identity: 'somebody else' } }), 'deny')
})

test('a dry run has no SA, and needs none', async t => {
  const { plugin } = await scene(t)
  const inquiry = plugin.inquiry({ dryRun: true })
  const verdict = await plugin.host.hooks.ask('admitTunnel', inquiry, { tunnel: aTunnel() })
  assert.equal(verdict, undefined)
})

test('a tunnel whose SA is gone for good ends, and not before', async t => {
  const made = await tied(t)
  const { charon, server, clock } = made
  charon.change([], 'child-updown', aSa())
  await seen(made)
  // Seeing it took less than a second.
  await clock.advance(GRACE_MS - 1000)
  assert.deepEqual(server.droppedTunnels, [])
  await clock.advance(1000)
  assert.deepEqual(server.droppedTunnels, [
    { key: aTunnel().key, text: 'its IPsec SA is gone, for 10000 ms' },
  ])
  assert.equal(clock.pending, 0)
})

test('an SA with the same peer that follows in time keeps the tunnel, and its cipher is shown', async t => {
  const made = await tied(t)
  const { charon, server, clock } = made
  charon.change([], 'ike-updown', aSa())
  await seen(made)
  await clock.advance(GRACE_MS / 2)
  const next = aSa({
    ike: '2',
    child: '2',
    'encr-alg': 'AES_GCM_16',
    'integ-alg': undefined,
    'integ-keysize': undefined,
  })
  const message = { ...next }
  charon.change([message], 'child-updown', message)
  await seen(made)
  await clock.advance(2 * GRACE_MS)
  assert.deepEqual(server.droppedTunnels, [])
  assert.match(server.liveTunnels[0]?.protection?.cipher ?? '', /^ESP transport AES_GCM_16-256/)
})

test('an SA with another peer behind the same address does not keep it', async t => {
  const made = await tied(t)
  const { charon, server, clock } = made
  const other = aSa({ ike: '2', child: '2', identity: '192.168.0.66' })
  charon.change([other], 'child-updown', other)
  await seen(made)
  await clock.advance(GRACE_MS)
  assert.equal(server.droppedTunnels.length, 1)
})

const REKEYS: readonly (readonly [string, (charon: FakeCharon) => void])[] = [
  [
    'of a CHILD_SA',
    charon => {
      const both = sectionOf(Object.values(aSa({ child: '2' }))[0])
      const old = sectionOf(Object.values(aSa({ state: 'REKEYED' }))[0])
      const children = { ...sectionOf(old['child-sas']), ...sectionOf(both['child-sas']) }
      const during = { phones: { ...both, 'child-sas': children } }
      charon.change([during], 'child-rekey', { phones: { uniqueid: '1', 'child-sas': {} } })
      charon.change([aSa({ child: '2' })], 'child-updown', { phones: { uniqueid: '1' } })
    },
  ],
  [
    'of an IKE_SA, to which its children move',
    charon =>
      charon.change([aSa({ ike: '2' })], 'ike-rekey', {
        phones: { old: { uniqueid: '1' }, new: { uniqueid: '2' } },
      }),
  ],
]
for (const [what, rekey] of REKEYS) {
  test(`a rekeying ${what} never looks like a loss`, async t => {
    const made = await tied(t)
    rekey(made.charon)
    await seen(made)
    await made.clock.advance(2 * GRACE_MS)
    assert.deepEqual(made.server.droppedTunnels, [])
    assert.deepEqual(
      made.plugin.log.filter(({ message }) => /SA of a tunnel is gone/.test(message)),
      [],
    )
  })
}

test('a grace of nothing ends the tunnel at once', async t => {
  const made = await tied(t, { graceMs: 0 })
  made.charon.change([], 'child-updown', aSa())
  await seen(made)
  assert.equal(made.server.droppedTunnels.length, 1)
})

test('a tunnel that ended by itself is not ended again', async t => {
  const made = await tied(t)
  const { charon, server, clock } = made
  charon.change([], 'child-updown', aSa())
  await seen(made)
  server.liveTunnels = [{ ...aTunnel(), peerTunnelId: 2, protection: PROTECTION }]
  await clock.advance(GRACE_MS)
  assert.deepEqual(server.droppedTunnels, [])
})

test('while charon is gone nobody is let in; it is told everything anew when it is back', async t => {
  const made = await scene(t, {
    connections: [{ name: 'phones' }],
    secrets: [{ psk: 'deep secret' }],
  })
  const { charon, server, clock, admit, plugin } = made
  charon.sas = [aSa()]
  assert.equal((await admit()).kind, 'passed on')
  const first = charon.told.map(({ command }) => command)
  assert.deepEqual(first, ['load-shared', 'load-conn', 'load-conn'], 'a key, a connection, and what is held')
  await charon.stop()
  await until('the loss to be seen', () => plugin.log.some(({ level }) => level === 'error'))
  const refused = await admit(keyed('other', from('1.1.1.1')))
  assert.match(refused.reason ?? '', /charon is gone/)
  await charon.start()
  await until('charon to be found again', async () => {
    await clock.advance(50)
    return charon.told.length === 2 * first.length
  })
  assert.equal((await admit(keyed('again', from('1.1.1.1')))).kind, 'passed on')
  await clock.advance(2 * GRACE_MS)
  assert.deepEqual(server.droppedTunnels, [])
  assert.doesNotMatch(JSON.stringify(plugin.log), /deep secret/)
})

test('a charon that stays away ends what it protected', async t => {
  const made = await tied(t)
  const { charon, server, clock, plugin } = made
  await charon.stop()
  await until('the loss to be seen', () => plugin.log.some(({ level }) => level === 'error'))
  await until('the end of the tunnel', async () => {
    await clock.advance(100)
    return server.droppedTunnels.length > 0
  })
  assert.ok(clock.now() >= GRACE_MS, `after ${clock.now()} ms`)
  assert.match(server.droppedTunnels[0]?.text ?? '', /charon is gone/)
})

test('a charon that hangs is given up at the deadline, and connected to anew', async t => {
  const { charon, plugin, clock } = await scene(t, { timeoutMs: 1000 })
  charon.answer = ({ command }) => (command === 'list-sas' ? 'hang' : undefined)
  const { verdict } = await passing(clock, plugin.admitTunnel(aTunnel()))
  assert.equal(verdict?.kind, 'deny')
  charon.answer = () => undefined
  charon.sas = [aSa()]
  await until('the next connection', async () => {
    await clock.advance(100)
    return plugin.log.filter(({ message }) => message === 'connected with charon').length === 2
  })
})
