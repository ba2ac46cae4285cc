/** `burrow connect` with IPv6 inside: an address by the server's advertisements, routes of both families, and IPv4 alone where there is no IPv6. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { type TestContext, test } from 'node:test'
import type { SessionIpv6 } from '../../core/protocol/outputs.ts'
import { ClientIpv6 } from '../../core/runtime/client-ipv6.ts'
import { memoryLog } from '../../core/testing/log.ts'
import { memoryKernel } from '../../core/testing/memory-kernel.ts'
import { burrow } from '../support/burrow.ts'
import { HEADQUARTERS, headquarters } from '../support/headquarters.ts'
import { skipWithoutNetns } from '../support/netns.ts'
import { run } from '../support/processes.ts'

const START_MS = 20_000
const BEFORE_THE_SECOND_QUESTION_MS = 3500
const { lns: LNS, password: PASSWORD } = HEADQUARTERS
/** Of the LNS, behind its address on the link. */
const LNS6 = '2001:db8:2::2'
const WEB = { ipv4: HEADQUARTERS.web, ipv6: '2001:db8:ff::1' } as const
const FETCH = 'fetch(process.argv[1]).then(got => got.text()).then(text => process.stdout.write(text))'

async function scene(t: TestContext, ipv6: boolean) {
  const { server, client, intranet, serve } = headquarters(t)
  server.ip(
    'addr add 2001:db8:ff::254/64 dev inside nodad',
    'addr add 2001:db8:3::2/64 dev outside nodad',
    `addr add ${LNS6}/128 dev lo nodad`,
  )
  client.ip('addr add 2001:db8:3::100/64 dev outside nodad', 'route add ::/0 via 2001:db8:3::2')
  intranet.ip(`addr add ${WEB.ipv6}/64 dev outside nodad`, 'route add ::/0 via 2001:db8:ff::254')
  const web = createServer((request, response) => response.end(`for ${request.socket.remoteAddress}`))
  t.after(() => web.close())
  await intranet.inside(() => new Promise<void>(resolve => web.listen(80, WEB.ipv6, resolve)))
  await serve(`listen: [${LNS}, "${LNS6}"]
ppp: { ipv6: ${ipv6}, dns6: ["2001:db8:ff::53"] }
plugins:
  - auth-local: { users: [{ user: hb@hb, password: ${PASSWORD} }] }
  - address-pool:
      pools: { main: { ranges: [172.16.1.2-172.16.1.100] } }
      prefixPools: { links: { prefixes: ["2001:db8:1::/48"] } }
  - policy-zones: { zones: { trust: [192.168.1.0/24, "2001:db8:ff::/64"] } }
`)
  const dial = (...words: readonly string[]) =>
    dialTo(LNS, '--route', '192.168.1.0/24', '--route', '2001:db8:ff::/64', ...words)
  const dialTo = (address: string, ...words: readonly string[]) => {
    const call = burrow(['connect', address, '--user', 'hb@hb', '--password-env', 'P', ...words], {
      netns: client.name,
      env: { P: PASSWORD },
    })
    t.after(() => call.end('SIGKILL'))
    return call
  }
  const pings = async (address: string, bytes: number) =>
    (
      await run(['ping', '-n', '-c2', '-i0.2', '-w5', '-M', 'do', '-s', `${bytes}`, address], {
        netns: client.name,
      })
    ).code === 0
  // Not by `exec`: the server is of this very thread.
  const page = async () =>
    (await run([process.execPath, '-e', FETCH, `http://[${WEB.ipv6}]/`], { netns: client.name })).stdout
  return { client, dial, dialTo, pings, page }
}

test('a call has IPv6 beside IPv4, and both families reach the intranet', {
  skip: skipWithoutNetns,
}, async t => {
  const { client, dial, pings, page } = await scene(t, true)
  const call = dial('--json')
  await call.says(/^\{"event":"up".*\}$/m, START_MS)
  const [line] = await call.says(/^\{"event":"ipv6".*\}$/m, BEFORE_THE_SECOND_QUESTION_MS)
  const { address, dns } = JSON.parse(line)
  assert.match(address, /^2001:db8:1:/)
  assert.deepEqual(dns, ['2001:db8:ff::53'])
  assert.ok(await pings(WEB.ipv4, 1372))
  assert.ok(await pings(WEB.ipv6, 1352), 'as large as it may be')
  assert.equal(await page(), `for ${address}`)
  assert.match(client.exec('ip', '-6', 'route', 'show', '2001:db8:ff::/64'), /dev burrow1/)
  assert.equal((await call.end()).code, 0)
  assert.doesNotMatch(client.exec('ip', '-6', 'route'), /burrow1/)

  const inWords = dial()
  await inWords.says(
    /^IPv6: 2001:db8:1:\S+ on burrow1\n {2}DNS servers of the peer: 2001:db8:ff::53\n {2}through the tunnel: 2001:db8:ff::\/64$/m,
    START_MS,
  )
  assert.equal((await inWords.end()).code, 0)
  const without = dial('--no-ipv6')
  await without.says(/^up: /m, START_MS)
  assert.ok(await pings(WEB.ipv4, 1372))
  const ended = await without.end()
  assert.equal(ended.code, 0)
  assert.doesNotMatch(ended.stdout, /IPv6/)
})

test('everything of both families may go through a tunnel that is itself carried over IPv6', {
  skip: skipWithoutNetns,
}, async t => {
  const { client, dialTo, pings } = await scene(t, true)
  const routes = () => client.exec('ip', '-6', 'route')
  const before = routes()
  const wayTo = (address: string) => client.exec('ip', 'route', 'get', address)
  const call = dialTo(LNS6, '--route', 'default')
  await call.says(/^IPv6: /m, START_MS)
  for (const address of [WEB.ipv4, WEB.ipv6, '2001:db8:dead::1']) assert.match(wayTo(address), /dev burrow1/)
  assert.match(wayTo(LNS6), /dev outside/)
  assert.ok(await pings(WEB.ipv4, 1372))
  assert.ok(await pings(WEB.ipv6, 1352))
  assert.equal((await call.end()).code, 0)
  assert.equal(routes(), before)
})

test('where the server has no IPv6 a call is as before', { skip: skipWithoutNetns }, async t => {
  const { dial, pings } = await scene(t, false)
  const call = dial()
  await call.says(/^up: /m, START_MS)
  assert.ok(await pings(WEB.ipv4, 1372))
  const { code, stdout } = await call.end()
  assert.equal(code, 0)
  assert.doesNotMatch(stdout, /IPv6/)
})

test('changes of IPv6 are made one after the other, and one that fails leaves nothing of itself', async () => {
  const told: (string | undefined)[] = []
  const { log, lines } = memoryLog()
  const { kernel, done } = memoryKernel(['192.0.2.1'])
  let refused = ''
  const addIpv6: typeof kernel.addIpv6 = async (name, network) => {
    await kernel.addIpv6(name, network)
    if (network.address === refused) throw new Error('refused')
  }
  const ipv6 = new ClientIpv6({
    kernel: { ...kernel, addIpv6 },
    tunName: 'tun',
    mtuBytes: 1400,
    routes: ['::/0'],
    log,
    onChange: now => told.push(now && [now.address, now.dns].flat().join()),
  })
  const become = (now?: Partial<SessionIpv6>) => {
    ipv6.follow(now && { localInterfaceId: '1', peerInterfaceId: '2', ...now })
    return ipv6.settled()
  }
  await become()
  await become({})
  await become({ address: '2001:db8::1' })
  await become({ address: '2001:db8::1', mtuBytes: 1500 })
  await become({ address: '2001:db8::1', dns: ['2001:db8::53'] })
  await become({ address: '2001:db8::2', mtuBytes: 1300 })
  assert.deepEqual(told, ['2001:db8::1,', '2001:db8::1,2001:db8::53', '2001:db8::2,'])
  refused = '2001:db8::3'
  await become({ address: refused })
  const first = become({ address: '2001:db8::4' })
  for (let host = 5; host < 500; host++) void become({ address: `2001:db8::${host}` })
  await Promise.all([first, become()])
  assert.deepEqual(told.slice(3), [undefined, '2001:db8::4,', undefined], 'the last word counts')
  assert.equal(lines.filter(({ level }) => level === 'error').length, 1)
  assert.deepEqual(
    done,
    [1, 2, 3, 4].flatMap(host => [`add tun 2001:db8::${host} [::/0]`, `remove tun 2001:db8::${host} [::/0]`]),
  )
})
