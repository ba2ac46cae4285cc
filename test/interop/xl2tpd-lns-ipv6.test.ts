/** Burrow's client as an IPv6 host of a real LNS: pppd's IPV6CP, radvd's advertisements, a Linux kernel that routes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { skipWithout } from '../setup/peers.ts'
import { burrow } from '../support/burrow.ts'
import { type Program, run } from '../support/processes.ts'
import { until } from '../support/until.ts'
import { ADDRESS, PAGE, startLab, XL2TPD_USER } from './lab.ts'
import { pings } from './scene.ts'

/** An address of the LNS that nobody announces. */
const BEHIND = '2001:db8:71::1'
const PREFIX = '2001:db8:70::/64'
const OTHER_PREFIX = '2001:db8:72::/64'
/** Of the host that the client runs on. */
const OTHER_ADDRESS = '2001:db8:66::1'
const DNS = '2001:db8:71::53'
const MTU_BYTES = 1380
const IPV6_AND_ICMP_BYTES = 48
const UP = /^\{"event":"up".*\}$/m
const DEADLINE_MS = 30_000

test('burrow connect with pppd and radvd', { skip: skipWithout('peers') }, async t => {
  const lab = await startLab(t, 1)
  const lns = lab.guest(0)
  const netns = lab.host.name
  const must = async (command: string) => {
    const { code, output } = await lns.run(command)
    assert.equal(code, 0, `${command}: ${output}`)
  }
  const advertise = (prefix: string) => must(`./advertise ${prefix} ${DNS} ${MTU_BYTES}`)
  const routeBack = (prefix: string) => must(`ip -6 route replace ${prefix} dev ppp0`)
  await lns.servePage(BEHIND)
  await advertise(PREFIX)
  await lns.serve('chap', '', ['+ipv6'])
  const client = connect(['--route', `${BEHIND}/128`])

  await t.test('has an address of what radvd advertises, is reached by it, and reaches others', async () => {
    await client.says(UP)
    await lns.says(/rcvd \[IPV6CP ConfAck/)
    const { address, dns, mtuBytes } = await ipv6Of(client, 1)
    assert.match(address, /^2001:db8:70:0:/)
    assert.deepEqual([dns, mtuBytes], [[DNS], MTU_BYTES])
    await routeBack(PREFIX)
    await must(`ping -6 -n -c 2 -i 0.2 -w 5 ${address}`)
    await pings(netns, BEHIND, ['-M', 'do', '-s', String(MTU_BYTES - IPV6_AND_ICMP_BYTES)])
    const page = await run(['socat', '-t', '5', '-', `TCP6:[${BEHIND}]:80`], {
      netns,
      input: 'GET / HTTP/1.0\r\n\r\n',
    })
    assert.match(page.stdout, new RegExp(PAGE))
  })

  await t.test('lets nothing in or out for another address of its host', async () => {
    lab.host.ip(`addr add ${OTHER_ADDRESS}/128 dev lo nodad`)
    await routeBack(`${OTHER_ADDRESS}/128`)
    const towards = await lns.run(`ping -6 -n -c 2 -i 0.2 -w 2 ${OTHER_ADDRESS}`)
    assert.match(towards.output, / 100% packet loss/)
    const from = await run(['ping', '-n', '-c2', '-i0.2', '-w2', '-I', OTHER_ADDRESS, BEHIND], { netns })
    assert.match(from.stdout, / 100% packet loss/)
  })

  await t.test('loses IPv6 alone when radvd takes leave', async () => {
    await must('./advertise end')
    assert.equal((await ipv6Of(client, 2)).address, undefined)
    assert.doesNotMatch(lab.host.exec('ip', '-6', 'addr', 'show', 'dev', 'burrow1'), /inet6/)
    assert.doesNotMatch(lab.host.exec('ip', '-6', 'route'), /burrow1/)
    await pings(netns, ADDRESS.xl2tpd)
  })

  await t.test('has another address when the network has another prefix', async () => {
    await advertise(OTHER_PREFIX)
    assert.match((await ipv6Of(client, 3)).address, /^2001:db8:72:0:/)
    await routeBack(OTHER_PREFIX)
    await pings(netns, BEHIND)
  })

  await t.test('leaves nothing behind', async () => {
    const { code, stderr } = await client.end()
    assert.equal(code, 0, stderr)
    await lns.gone()
    assert.doesNotMatch(lab.host.exec('ip', '-6', 'route'), /burrow1/)
  })

  await t.test('is as before where pppd has no IPv6', async () => {
    await lns.serve('chap', '', ['noipv6'])
    const call = connect([])
    await call.says(UP)
    await lns.says(/sent \[LCP ProtRej .*80 57/)
    await pings(netns, ADDRESS.xl2tpd)
    const { code, stdout } = await call.end()
    assert.equal(code, 0)
    assert.doesNotMatch(stdout, /ipv6/)
    await lns.gone()
  })

  await t.test('has IPv6 alone where pppd has no IPv4', async () => {
    await lns.serve('chap', '', ['+ipv6', 'noip'])
    const call = connect(['--route', `${BEHIND}/128`])
    await call.says(UP)
    assert.match((await ipv6Of(call, 1)).address, /^2001:db8:72:0:/)
    await routeBack(OTHER_PREFIX)
    await pings(netns, BEHIND)
    assert.doesNotMatch(lab.host.exec('ip', 'addr', 'show', 'dev', 'burrow1'), /inet /)
    assert.equal((await call.end()).code, 0)
  })

  function connect(options: readonly string[]): Program {
    const who = ['--user', XL2TPD_USER.user, '--password-env', 'PASSWORD']
    return burrow(['connect', lns.address, ...who, '--json', ...options], {
      netns,
      env: { PASSWORD: XL2TPD_USER.password },
    })
  }

  /** What it said of IPv6 the n-th time. */
  async function ipv6Of(call: Program, time: number) {
    const told = () => [...call.stdout().matchAll(/^\{"event":"ipv6".*\}$/gm)][time - 1]?.[0]
    const said = () => `\n${call.stdout()}${call.stderr()}`
    return JSON.parse(await until(`word ${time} of IPv6`, told, DEADLINE_MS, said))
  }
})
