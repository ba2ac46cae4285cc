import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test, { type TestContext } from 'node:test'
import { TunDevice } from '../../core/dataplane/tun/tun-device.ts'
import type { Kernel } from '../../core/runtime/node/kernel.ts'
import { linuxKernel } from '../../core/runtime/node/linux-kernel.ts'
import { memoryLog } from '../../core/testing/log.ts'
import { VirtualClock } from '../../core/testing/virtual-clock.ts'
import { joinByVeth, makeNetns, type Netns, skipWithoutNetns } from '../support/netns.ts'

const skip = skipWithoutNetns
const TUN = 'bt.0'

/** A host with a network at 10.1.0.0/24 and a default route over its other end. */
function makeHost(t: TestContext): Netns {
  const [host, router] = [makeNetns(t), makeNetns(t)]
  joinByVeth(
    { netns: host, device: 'out', address: '10.1.0.2/24' },
    { netns: router, device: 'in', address: '10.1.0.1/24' },
  )
  host.ip('route add default via 10.1.0.1')
  return host
}

function makeTun(t: TestContext, host: Netns): void {
  const tun = host.inside(() => TunDevice.open(TUN))
  t.after(() => tun.close())
}

const routes = (host: Netns) =>
  host
    .exec('ip', '-4', 'route')
    .split('\n')
    // The kernel tells of a carrier a moment after it is there.
    .map(line => line.replace(' linkdown', '').trim())
    .filter(line => line !== '')

/** Node's thread pool would read another namespace's /proc: everything here is done on this thread or by a child. */
function within<T>(host: Netns, act: (kernel: Kernel) => T): T {
  return host.inside(() => act(linuxKernel))
}

test('a TUN gets its address, MTU and routes, and a default route as two halves', { skip }, async t => {
  const host = makeHost(t)
  makeTun(t, host)
  await within(host, kernel =>
    kernel.configureTun(TUN, {
      address: '172.16.1.51',
      peer: '172.16.1.1',
      mtuBytes: 1400,
      routes: ['0.0.0.0/0', '192.168.1.0/24'],
      ipv6: false,
    }),
  )
  const shown = host.exec('ip', 'addr', 'show', TUN)
  assert.match(shown, /mtu 1400/)
  assert.match(shown, /172\.16\.1\.51 peer 172\.16\.1\.1\/32/)
  assert.doesNotMatch(shown, /inet6/)
  assert.deepEqual(routes(host), [
    `0.0.0.0/1 dev ${TUN} scope link`,
    'default via 10.1.0.1 dev out',
    '10.1.0.0/24 dev out proto kernel scope link src 10.1.0.2',
    `128.0.0.0/1 dev ${TUN} scope link`,
    `172.16.1.1 dev ${TUN} proto kernel scope link src 172.16.1.51`,
    `192.168.1.0/24 dev ${TUN} scope link`,
  ])
})

test('a TUN that takes IPv6 has routes and no address of its own; a default route is two halves', {
  skip,
}, async t => {
  const host = makeHost(t)
  makeTun(t, host)
  await within(host, kernel =>
    kernel.configureTun(TUN, {
      address: '172.16.1.1',
      mtuBytes: 1500,
      routes: ['172.16.1.0/24', '2001:db8:1::/48', '::/0'],
      ipv6: true,
    }),
  )
  const ofTun = () =>
    host
      .exec('ip', '-6', 'route', 'show', 'dev', TUN)
      .trim()
      .split('\n')
      .map(line => line.split(' ')[0])
  assert.doesNotMatch(host.exec('ip', 'addr', 'show', TUN), /inet6/)
  assert.deepEqual(ofTun().sort(), ['2001:db8:1::/48', '8000::/1', '::/1'])
  await within(host, kernel => kernel.addRoutes(TUN, ['2001:db8:a::/56']))
  await within(host, kernel => kernel.deleteRoutes(TUN, ['2001:db8:1::/48']))
  assert.deepEqual(ofTun().sort(), ['2001:db8:a::/56', '8000::/1', '::/1'])
})

test('a client has an address of IPv6, its MTU and routes for a while; what is gone already is no fault', {
  skip,
}, async t => {
  const host = makeHost(t)
  makeTun(t, host)
  await within(host, kernel => kernel.configureTun(TUN, { mtuBytes: 1400, routes: [], ipv6: true }))
  const shown = () => [
    /inet6 (\S+)/.exec(host.exec('ip', 'addr', 'show', TUN))?.[1],
    host
      .exec('ip', '-6', 'route', 'show', 'dev', TUN)
      .split('\n')
      .flatMap(line => line.split(' ')[0] ?? [])
      .filter(prefix => prefix !== ''),
    host.exec('sysctl', '-n', `net/ipv6/conf/${TUN}/mtu`).trim(),
  ]
  assert.deepEqual(shown(), [undefined, [], '1400'])
  const network = { address: '2001:db8:1::7', routes: ['::/0', '2001:db8:ff::/64'], mtuBytes: 1280 }
  await within(host, kernel => kernel.addIpv6(TUN, network))
  const [address, routes, mtuBytes] = shown()
  assert.deepEqual([address, mtuBytes], ['2001:db8:1::7/128', '1280'])
  assert.deepEqual([...(routes ?? [])].sort(), ['2001:db8:1::7', '2001:db8:ff::/64', '8000::/1', '::/1'])
  host.ip(`route del 8000::/1 dev ${TUN}`)
  await within(host, kernel => kernel.removeIpv6(TUN, network))
  assert.deepEqual(shown().slice(0, 2), [undefined, []])
  await within(host, kernel => kernel.addIpv6(TUN, { ...network, routes: [], mtuBytes: 1400 }))
  assert.deepEqual(shown(), ['2001:db8:1::7/128', ['2001:db8:1::7'], '1400'])
})

test('IPv6 that is not forwarded is found where sessions have it', { skip }, async t => {
  const host = makeHost(t)
  host.exec('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=0')
  host.exec('sysctl', '-qw', 'net.ipv4.conf.all.rp_filter=0', 'net.ipv4.conf.default.rp_filter=0')
  const found = (ipv6: boolean) =>
    within(host, kernel => kernel.checkForwarding(TUN, { ipv6 })).map(({ command }) => command)
  assert.deepEqual(found(false), [])
  assert.deepEqual(found(true), ['sysctl -w net.ipv6.conf.all.forwarding=1'])
})

test('routes are added and deleted', { skip }, async t => {
  const host = makeHost(t)
  makeTun(t, host)
  await within(host, kernel =>
    kernel.configureTun(TUN, { address: '172.16.1.1', mtuBytes: 1500, routes: [], ipv6: false }),
  )
  const before = routes(host)
  await within(host, kernel => kernel.addRoutes(TUN, ['172.16.2.0/24', '172.16.3.7/32']))
  assert.deepEqual(
    routes(host).filter(route => !before.includes(route)),
    [`172.16.2.0/24 dev ${TUN} scope link`, `172.16.3.7 dev ${TUN} scope link`],
  )
  await within(host, kernel => kernel.deleteRoutes(TUN, ['172.16.2.0/24', '172.16.3.7/32']))
  assert.deepEqual(routes(host), before)
})

test('what `ip` refuses names the command; a text that is no prefix never reaches it', { skip }, async t => {
  const host = makeHost(t)
  await assert.rejects(
    within(host, kernel => kernel.addRoutes('nosuch0', ['172.16.2.0/24'])),
    (error: Error & { code?: string }) =>
      error.code === 'NETWORK_SETUP' && error.message.includes('route add 172.16.2.0/24 dev nosuch0'),
  )
  for (const text of [
    '10.0.0.1/8',
    '10.0.0.0/33',
    '10.0.0.0/8\nlink del out',
    'fd00::1/8',
    'fd00::/8\nlink del out',
    '::1::/64',
    '',
  ])
    await assert.rejects(linuxKernel.addRoutes(TUN, [text]), { code: 'NETWORK_SETUP' }, JSON.stringify(text))
})

test('a missing `ip` program is told with its package', async t => {
  const path = process.env.PATH
  process.env.PATH = '/nonexistent'
  t.after(() => {
    process.env.PATH = path
  })
  await assert.rejects(
    linuxKernel.addRoutes(TUN, ['172.16.2.0/24']),
    (error: Error & { code?: string }) =>
      error.code === 'NETWORK_SETUP' && error.message.includes('iproute2'),
  )
})

test('the way to the LNS is pinned over the gateway, and unpinned once', { skip }, async t => {
  const host = makeHost(t)
  const before = routes(host)
  const pin = await within(host, kernel => kernel.pinHostRoute('2.2.2.2'))
  assert.deepEqual(
    routes(host).filter(route => !before.includes(route)),
    ['2.2.2.2 via 10.1.0.1 dev out'],
  )
  const again = await within(host, kernel => kernel.pinHostRoute('2.2.2.2'))
  await within(host, () => again.undo())
  assert.equal(routes(host).length, before.length + 1, 'a route that was there before is left alone')
  await within(host, () => pin.undo())
  await within(host, () => pin.undo())
  assert.deepEqual(routes(host), before)
})

test('an LNS on the same link is pinned without a gateway, one on this host not at all', {
  skip,
}, async t => {
  const host = makeHost(t)
  const before = routes(host)
  const pin = await within(host, kernel => kernel.pinHostRoute('10.1.0.1'))
  assert.ok(routes(host).includes('10.1.0.1 dev out scope link'))
  await within(host, () => pin.undo())
  await within(host, kernel => kernel.pinHostRoute('127.0.0.1'))
  await within(host, kernel => kernel.pinHostRoute('10.1.0.2'))
  assert.deepEqual(routes(host), before)
})

test('the source address towards a remote is the kernel’s choice; no way is an error', { skip }, async t => {
  const host = makeHost(t)
  const towards = (address: string) => within(host, kernel => kernel.localAddressFor({ address, port: 1701 }))
  assert.equal(await towards('2.2.2.2'), '10.1.0.2')
  assert.equal(await towards('127.0.0.1'), '127.0.0.1')
  host.ip('route del default')
  await assert.rejects(towards('2.2.2.2'), { code: 'NETWORK_SETUP' })
})

test('forwarding that is off and strict reverse paths are found, mended and restored', { skip }, async t => {
  const host = makeHost(t)
  makeTun(t, host)
  const read = (name: string) => host.inside(() => readFileSync(`/proc/sys/net/ipv4/${name}`, 'utf8').trim())
  host.exec('sysctl', '-qw', 'net.ipv4.ip_forward=0', 'net.ipv4.conf.all.rp_filter=1')
  const findings = within(host, kernel => kernel.checkForwarding(TUN, { ipv6: false }))
  assert.deepEqual(
    findings.map(({ is, wanted, command }) => ({ is, wanted, command })),
    [
      { is: '0', wanted: '1', command: 'sysctl -w net.ipv4.ip_forward=1' },
      { is: read(`conf/${TUN}/rp_filter`), wanted: '2', command: 'sysctl -w net.ipv4.conf.bt/0.rp_filter=2' },
    ],
  )
  const before = [read('ip_forward'), read(`conf/${TUN}/rp_filter`)]
  const mended = within(host, kernel => kernel.mend(findings))
  assert.deepEqual([read('ip_forward'), read(`conf/${TUN}/rp_filter`)], ['1', '2'])
  assert.deepEqual(
    within(host, kernel => kernel.checkForwarding(TUN, { ipv6: false })),
    [],
  )
  await within(host, () => mended.undo())
  assert.deepEqual([read('ip_forward'), read(`conf/${TUN}/rp_filter`)], before)
})

test('the commands of findings are ones that sysctl takes', { skip }, async t => {
  const host = makeHost(t)
  makeTun(t, host)
  host.exec('sysctl', '-qw', 'net.ipv4.ip_forward=0', 'net.ipv4.conf.all.rp_filter=1')
  for (const { command } of within(host, kernel => kernel.checkForwarding(TUN, { ipv6: false })))
    host.exec('sh', '-c', command)
  assert.deepEqual(
    within(host, kernel => kernel.checkForwarding(TUN, { ipv6: false })),
    [],
  )
})

test('a setting that cannot be set is told with its command, and the others are put back', {
  skip,
}, async t => {
  const host = makeHost(t)
  host.exec('sysctl', '-qw', 'net.ipv4.ip_forward=0')
  const [forward] = within(host, kernel => kernel.checkForwarding(TUN, { ipv6: false }))
  assert.ok(forward)
  assert.throws(
    () => within(host, kernel => kernel.mend([forward, { ...forward, setting: 'net.ipv4.nosuch' }])),
    { code: 'KERNEL_SETTING' },
  )
  assert.equal(host.exec('sysctl', '-n', 'net.ipv4.ip_forward').trim(), '0')
})

test('own addresses are read at once, told when they change, and kept when they cannot be read', {
  skip,
}, async t => {
  const host = makeHost(t)
  const clock = new VirtualClock()
  const { log, lines } = memoryLog()
  const told: string[][] = []
  const own = await within(host, kernel =>
    kernel.watchOwnAddresses({ clock, log, everyMs: 1000 }, prefixes => {
      told.push(prefixes.map(({ address, length }) => `${address}/${length}`))
    }),
  )
  t.after(() => own.stop())
  const first = [
    '127.0.0.0/8',
    '127.0.0.1/32',
    '127.255.255.255/32',
    '10.1.0.2/32',
    '10.1.0.255/32',
    '::1/128',
  ]
  assert.deepEqual(told.map(sorted), [sorted(first)])
  await within(host, () => own.refresh())
  assert.equal(told.length, 1, 'nothing changed, nothing told')
  host.ip('addr add 10.9.9.9/32 dev lo', 'addr add 2001:db8::9/128 dev lo', 'link set out down')
  await within(host, () => own.refresh())
  assert.ok(told[1]?.includes('10.9.9.9/32') && told[1].includes('2001:db8::9/128'))

  const path = process.env.PATH
  process.env.PATH = '/nonexistent'
  await clock.until('the failure is logged', () => lines.some(({ level }) => level === 'error'))
  process.env.PATH = path
  assert.ok(own.prefixes.some(({ address }) => address === '10.9.9.9'))
  own.stop()
  assert.equal(clock.pending, 0)
})

function sorted(texts: readonly string[]): readonly string[] {
  return [...texts].sort()
}
