/** The guard of interfaces alone, with packets of IPv6; a device takes the place of the TUN. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { linuxKernel } from '../../core/runtime/node/linux-kernel.ts'
import { memoryLog } from '../../core/testing/log.ts'
import { VirtualClock } from '../../core/testing/virtual-clock.ts'
import { skipWithout } from '../setup/peers.ts'
import { joinByVeth, makeNetns, type Netns } from '../support/netns.ts'
import { run } from '../support/processes.ts'
import { until } from '../support/until.ts'

const skip = skipWithout('peers')
const TUN = 'sessions'
const NETS = { sessions: '2001:db8:5::', left: '2001:db8:a::', right: '2001:db8:b::' } as const

/** A router, and a host behind each device; each may forge the addresses of the others. */
function scene(t: TestContext) {
  const router = makeNetns(t)
  const at = (device: keyof typeof NETS) => {
    const host = makeNetns(t)
    joinByVeth(
      { netns: router, device, address: `${NETS[device]}1/64` },
      { netns: host, device: 'out', address: `${NETS[device]}2/64` },
    )
    host.ip('addr flush dev out scope global', `addr add ${NETS[device]}2/64 dev out nodad`)
    host.ip(`route add default via ${NETS[device]}1 src ${NETS[device]}2`)
    if (device !== 'sessions') host.ip(`addr add ${NETS.left}7/128 dev lo`)
    return host
  }
  const hosts = { session: at('sessions'), a: at('left'), b: at('right') }
  for (const device of Object.keys(NETS) as (keyof typeof NETS)[])
    router.ip(`addr flush dev ${device} scope global`, `addr add ${NETS[device]}1/64 dev ${device} nodad`)
  router.exec('sysctl', '-qw', 'net.ipv6.conf.all.forwarding=1')
  // As with a TUN: routes to sessions are ours to give.
  router.ip(`route del ${NETS.sessions}/64 dev ${TUN}`)
  return { router, ...hosts }
}

const pings = async (from: Netns, to: string, source?: string) =>
  (
    await run(['ping', '-n', '-c1', '-W1', ...(source === undefined ? [] : ['-I', source]), to], {
      netns: from.name,
    })
  ).code === 0

const arrived = (host: Netns) =>
  Number(/^Icmp6InEchos\s+(\d+)/m.exec(host.exec('cat', '/proc/net/snmp6'))?.[1])

const net = (address: string) => [{ address, length: 64 }]

for (const means of ['nftables', 'ip rule'] as const)
  test(`${means}: IPv6 is kept to its interface both ways, and everything may be permitted again`, {
    skip,
  }, async t => {
    const { router, session, a, b } = scene(t)
    const { log } = memoryLog()
    const bin = mkdtempSync(join(tmpdir(), 'burrow-path-'))
    t.after(() => rmSync(bin, { recursive: true }))
    symlinkSync('/bin/ip', join(bin, 'ip'))
    const path = process.env.PATH
    if (means === 'ip rule') process.env.PATH = bin
    t.after(() => {
      process.env.PATH = path
    })
    const ways = { named: { left: net(NETS.left) }, others: net(NETS.right) }
    const guard = await router.inside(() =>
      linuxKernel.guardInterfaces(TUN, ways, { clock: new VirtualClock(), log }),
    )
    process.env.PATH = path
    assert.equal(guard.means, means)
    await router.inside(() => linuxKernel.addRoutes(TUN, [`${NETS.sessions}/64`], guard.tables))

    await until('a to the session', () => pings(a, `${NETS.sessions}2`))
    await until('b is up', () => pings(b, `${NETS.right}1`))
    assert.ok(await pings(session, `${NETS.left}2`), 'the session to a')
    assert.ok(await pings(b, `${NETS.sessions}2`), 'others are behind others')
    const before = arrived(session)
    await pings(b, `${NETS.sessions}2`, `${NETS.left}7`)
    assert.equal(arrived(session), before, 'forged')
    await pings(a, `${NETS.sessions}2`, `${NETS.left}7`)
    assert.equal(arrived(session), before + 1, 'the same, and not forged')

    await router.inside(() => guard.change({ named: {}, others: [...net(NETS.left)] }))
    assert.ok(await pings(a, `${NETS.sessions}2`))
    assert.ok(!(await pings(b, `${NETS.sessions}2`)), 'b is behind nothing any more')
    assert.ok(!(await pings(session, `${NETS.right}2`)))

    const every = [
      { address: '0.0.0.0', length: 0 },
      { address: '::', length: 0 },
    ]
    await router.inside(() => guard.change({ named: { left: every }, others: every }))
    assert.ok(await pings(b, `${NETS.sessions}2`))
    assert.ok(await pings(session, `${NETS.right}2`))
    await router.inside(() => guard.change({ named: {}, others: [] }))
    assert.ok(!(await pings(a, `${NETS.sessions}2`)), 'and nothing is nothing')

    await router.inside(() => guard.close())
    assert.equal(router.exec('ip', '-6', 'rule').trim().split('\n').length, 2)
    assert.doesNotMatch(router.exec('nft', 'list', 'tables'), /burrow/)
  })
