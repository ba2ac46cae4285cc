/** IPv6 inside a session of a real client: pppd and its kernel make an address, dhcp6c asks for a prefix for the network behind. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { skipWithout } from '../setup/peers.ts'
import { until } from '../support/until.ts'
import { ADDRESS, startLab } from './lab.ts'

const WEB = '2001:db8:ff::1'

test('xl2tpd, pppd and dhcp6c get IPv6 from Burrow', { skip: skipWithout('peers') }, async t => {
  const lab = await startLab(t, 1)
  const client = lab.guest(0)
  lab.host.ip('addr add 2001:db8:ff::fe/64 dev inside nodad')
  lab.inside.ip(`addr add ${WEB}/64 dev outside nodad`, 'route add default via 2001:db8:ff::fe')
  const lns = await lab.serve(`log: { format: json }
ppp: { auth: [chap-md5], ipv6: true, dns6: ['2001:db8:ff::53'] }
plugins:
  - auth-local: { users: [{ user: alice, password: wonderland }] }
  - address-pool:
      pools: { main: { ranges: [172.16.1.2-172.16.1.100] } }
      prefixPools: { links: { prefixes: ['2001:db8:1::/48'] } }
      delegatedPools: { nets: { prefixes: ['2001:db8:a000::/40'] } }
  - policy-zones: { zones: { trust: [192.168.1.0/24, '2001:db8:ff::/64'] } }
`)
  const must = async (command: string) => {
    const { code, output } = await client.run(command)
    assert.equal(code, 0, `${command}: ${output}`)
    return output
  }
  await client.dial({ lns: ADDRESS.host, user: 'alice', password: 'wonderland', options: ['+ipv6'] })
  const { own } = await client.addressed()

  await t.test(
    'IPV6CP opens, and the kernel makes an address out of the prefix that the router advertises',
    async () => {
      await client.says(/rcvd \[IPV6CP ConfAck/)
      const addressed = async () =>
        /inet6 2001:db8:1:0:[\da-f:]+\/64/.test((await client.run('ip -6 addr show dev ppp0')).output)
      await until('an address of the prefix', addressed, 30_000)
    },
  )

  await t.test('it reaches the server behind, by both, and the router of its link', async () => {
    await client.reachesTheServer(own)
    await must(`ping -6 -n -c 2 -i 0.2 -w 5 fe80::1%ppp0`)
    await must(`ip -6 route replace ${WEB} dev ppp0 && ping -6 -n -c 2 -i 0.2 -w 5 ${WEB}`)
    // More than the MTU of the session: fragments, after the answer that RFC 4443 has for it.
    await must(`ping -6 -n -c 2 -i 0.2 -w 5 -s 3000 ${WEB}`)
    assert.match(await must('ip -6 route show default dev ppp0'), /default via fe80::1/)
  })

  await t.test('dhcp6c is delegated a prefix, which is routed to it', async () => {
    await must(`mount -t tmpfs tmpfs /var/lib/dhcpv6 && modprobe -d /mnt dummy numdummies=0 && ip link add lan type dummy && ip link set lan up
cat >/run/lab/dhcp6c.conf <<'END'
interface ppp0 { send ia-pd 1; request domain-name-servers; };
id-assoc pd 1 { prefix-interface lan { sla-id 1; sla-len 8; ifid 1; }; };
END
dhcp6c -c /run/lab/dhcp6c.conf -p /run/lab/dhcp6c.pid ppp0 >/dev/null 2>&1`)
    const lan = '2001:db8:a000:1::1'
    const delegated = async () => (await client.run('ip -6 addr show dev lan')).output.includes(lan)
    await until('an address of the delegated prefix', delegated, 30_000)
    await must('sysctl -qw net.ipv6.conf.all.forwarding=1')
    await until('an answer from the network behind', async () => {
      try {
        return lab.inside.exec('ping', '-6', '-n', '-c', '1', '-w', '1', lan).includes(' 0% packet loss')
      } catch {
        return false
      }
    })
  })

  await t.test(
    'what is not of its prefixes is dropped, and a zone that no rule names is out of reach',
    async () => {
      const { code } = await client.run(
        `ip -6 addr add 2001:db8:66::1/128 dev ppp0 nodad; ping -6 -n -c 1 -w 2 -I 2001:db8:66::1 ${WEB}`,
      )
      assert.notEqual(code, 0)
      lab.inside.ip('addr add 2001:db8:fe::1/128 dev outside nodad')
      lab.host.ip('route add 2001:db8:fe::1/128 via 2001:db8:ff::1')
      const denied = await client.run(
        'ip -6 route replace 2001:db8:fe::1 dev ppp0; ping -6 -n -c 1 -w 2 2001:db8:fe::1',
      )
      assert.notEqual(denied.code, 0)
    },
  )

  await client.end()
  const { code, stdout, stderr } = await lns.end('SIGTERM', 20_000)
  assert.equal(code, 0, stderr)
  assert.match(stdout + stderr, /session down/)
})
