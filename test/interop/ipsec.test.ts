/** L2TP as it is used: xl2tpd and strongSwan in one guest, Burrow and strongSwan in another, and nothing but ESP between them. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { skipWithout } from '../setup/peers.ts'
import { ROOT } from '../support/imports.ts'
import { run, start } from '../support/processes.ts'
import { until } from '../support/until.ts'
import { ADDRESS, PAGE, startLab } from './lab.ts'

const MAIN = join(ROOT, 'dist/core/cli/main.js')
const USER = { user: 'hb@hb', password: 'admin@123' } as const
const BOOT_MS = 60_000

test('xl2tpd behind strongSwan dials Burrow behind strongSwan', {
  skip: skipWithout('peers') || skipWithout('dissector'),
}, async t => {
  const lab = await startLab(t, 2)
  const [client, server] = [lab.guest(0), lab.guest(1)]
  const capture = join(lab.folder, 'wire.pcap')
  const dumpcap = start(['dumpcap', '-i', 'br0', '-w', capture], { netns: lab.host.name })
  await dumpcap.says(/File: /)
  const must = async (guest: typeof client, command: string) => {
    const { code, output } = await guest.run(command, BOOT_MS)
    assert.equal(code, 0, output)
    return output
  }
  const config = `listen: [${server.address}]
gatewayAddress: ${ADDRESS.inSessions}
manageKernel: true
ppp: { auth: [mschapv2, chap-md5, pap] }
controlSocket: /run/lab/control.sock
plugins:
  - auth-local: { users: [${JSON.stringify(USER)}] }
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }
  - policy-zones:
`
  await must(server, `./burrow ${MAIN} ${process.execPath} '${config}'`)
  await must(server, `./ipsec server ${server.address} ${client.address}`)
  await must(client, `./ipsec client ${client.address} ${server.address}`)

  for (const method of ['pap', 'chap', 'mschap-v2'] as const)
    await t.test(`dials with ${method}, and reaches the page`, async () => {
      const others = ['pap', 'chap', 'mschap', 'mschap-v2', 'eap'].filter(other => other !== method)
      await client.dial({ lns: server.address, ...USER, options: others.map(other => `refuse-${other}`) })
      const { own, peer } = await client.addressed()
      assert.match(own, /^172\.16\.1\./)
      assert.equal(peer, ADDRESS.inSessions)
      const page = await must(
        client,
        `ip route replace ${ADDRESS.web} dev ppp0
        ping -n -c 2 -i 0.2 -w 5 ${ADDRESS.web} && ping -n -c 1 -w 5 -M do -s 1372 ${ADDRESS.web} &&
        printf 'GET / HTTP/1.0\r\n\r\n' | socat -t 5 - TCP:${ADDRESS.web}:80`,
      )
      assert.ok(page.includes(`${PAGE} for ${own}`), page)
      await client.end()
      await until(
        'the end of its session',
        async () =>
          (await must(server, 'cat /run/lab/burrow.log')).includes(`"address":"${own}"`) ||
          (await must(server, 'tail -c 400 /run/lab/burrow.log')).includes('tunnel down'),
      )
    })

  await dumpcap.end('SIGINT')
  const { stdout } = await run(['tshark', '-r', capture, '-T', 'fields', '-e', 'frame.protocols'])
  const protocols = stdout.split('\n')
  const seen = (name: string) => protocols.filter(stack => stack.split(':').includes(name)).length
  assert.ok(seen('esp') > 50, `${seen('esp')} packets of ESP`)
  assert.ok(seen('isakmp') > 5)
  // What comes to an xl2tpd that is gone its kernel quotes in an ICMP error, which no policy of UDP 1701 covers.
  const inTheClear = protocols.filter(stack => /:udp:l2tp\b/.test(stack) && !stack.includes(':icmp:'))
  assert.deepEqual(inTheClear, [])
})
