/** ipsec-strongswan with the kernel's own ESP in transport mode, as phones have it: two guests, strongSwan in both, Burrow in one. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { skipWithout } from '../setup/peers.ts'
import { ROOT } from '../support/imports.ts'
import { run } from '../support/processes.ts'
import { until } from '../support/until.ts'
import { ADDRESS, type Guest, type Lab, PAGE, startLab, XL2TPD_USER } from './lab.ts'

const MAIN = join(ROOT, 'dist/core/cli/main.js')
const BOOT_MS = 60_000
const GRACE_MS = 4000
const USER = { user: 'hb@hb', password: 'admin@123' } as const
/** As the script `ipsec` of the guests has it. */
const PSK = 'labpsk'
const CONTROL = '/run/lab/control.sock'
const LOG = '/run/lab/burrow.log'

const configOf = (
  server: Guest,
  { dropClear }: { readonly dropClear: boolean },
) => `listen: [${server.address}]
gatewayAddress: ${ADDRESS.inSessions}
manageKernel: true
controlSocket: ${CONTROL}
plugins:
  - ipsec-strongswan:
      graceMs: ${GRACE_MS}
      dropClear: ${dropClear}
      secrets: [{ psk: ${PSK}, peers: [10.9.0.0/24] }]
      connections: [{ name: phones }]
  - auth-local: { users: [${JSON.stringify(USER)}] }
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }
  - policy-zones:
`

async function must(guest: Guest, command: string): Promise<string> {
  const { code, output } = await guest.run(command, BOOT_MS)
  assert.equal(code, 0, output)
  return output
}

const burrowLog = (guest: Guest) => must(guest, `cat ${LOG}`)

const logs = (guest: Guest, pattern: RegExp, least = 1) =>
  until(
    `the log of Burrow to have ${pattern}`,
    async () => ((await burrowLog(guest)).match(new RegExp(pattern, 'g'))?.length ?? 0) >= least,
    BOOT_MS,
  )

/** Whether the kernel drops what the phone sends to the server, below the policies of SAs. */
const holds = async (server: Guest) =>
  /src 10\.9\.0\.11\/32 dst 10\.9\.0\.10\/32 proto udp dport 1701\s+dir in action block/.test(
    await must(server, 'ip xfrm policy'),
  )

const isWithinSa = async (server: Guest) => /tmpl/.test(await must(server, 'ip xfrm policy'))

/** What came in the clear, and a policy dropped. */
const blockedBy = async (guest: Guest) =>
  Number((await must(guest, 'cat /proc/net/xfrm_stat')).match(/XfrmInPolBlock\s+(\d+)/)?.[1])

/** An SCCRQ in the clear that says it is from another guest, sent by the host. */
async function forge(lab: Lab, from: string, to: string): Promise<void> {
  const sccrq = Buffer.from(
    'c802004c000000000000000080080000000000018008000000020100800a00000003000000038008000000070078800f000000080078797a7a79800800000009123480080000000a0004',
    'hex',
  )
  sccrq.writeUInt16BE(sccrq.length, 2)
  const { code, stderr } = await run(
    [
      'sh',
      '-c',
      `printf '${[...sccrq].map(byte => `\\${byte.toString(8).padStart(3, '0')}`).join('')}' | socat -u - UDP4-SENDTO:${to}:1701,bind=${from}:1701,ip-transparent`,
    ],
    { netns: lab.host.name },
  )
  assert.equal(code, 0, stderr)
}

test('burrow serve, with xl2tpd and strongSwan as the phone', { skip: skipWithout('peers') }, async t => {
  const lab = await startLab(t, 2)
  const [server, phone] = [lab.guest(0), lab.guest(1)]
  const call = { lns: server.address, ...USER }
  await must(server, `./ipsec daemon ${server.address} ${phone.address}`)
  await must(server, `./burrow ${MAIN} ${process.execPath} '${configOf(server, { dropClear: false })}'`)

  await t.test('L2TP in the clear is refused, and the log says why', async () => {
    await phone.dial(call)
    await logs(server, /L2TP in the clear: no IPsec SA is between 10\.9\.0\.11:1701 and 10\.9\.0\.10:1701/)
    await phone.end()
  })

  for (const version of ['ikev1', 'ikev2'] as const) {
    await t.test(
      `a call inside of ${version} in transport mode logs in, pings and fetches the page`,
      async () => {
        await must(phone, `ipsec stop; ./ipsec client ${phone.address} ${server.address} ${version}`)
        await phone.dial(call)
        const { own } = await phone.addressed()
        assert.match(
          await must(
            phone,
            `ip route replace ${ADDRESS.web} dev ppp0
          ping -n -c 2 -i 0.2 -w 5 ${ADDRESS.web} && printf 'GET / HTTP/1.0\\r\\n\\r\\n' | socat -t 5 - TCP:${ADDRESS.web}:80`,
          ),
          new RegExp(`${PAGE} for ${own}`),
        )
        assert.ok(await holds(server), 'what is in the clear is dropped when the SA is gone, too')
        const rows = await must(server, `${process.execPath} ${MAIN} sessions --socket ${CONTROL} --json`)
        const [{ protection = '' } = {}] = JSON.parse(rows) as { protection?: string }[]
        assert.match(
          protection,
          new RegExp(`^IKEv${version.at(-1)} ESP transport AES_\\S+ as 10\\.9\\.0\\.11$`),
        )
      },
    )

    await t.test(
      `what says that it is from there, and came in the clear, the kernel drops (${version})`,
      async () => {
        const before = await burrowLog(server)
        const dropped = async () =>
          Number((await must(server, 'cat /proc/net/xfrm_stat')).match(/XfrmInTmplMismatch\s+(\d+)/)?.[1])
        const count = await dropped()
        await forge(lab, phone.address, server.address)
        await until('the kernel to count it', async () => (await dropped()) > count)
        assert.equal(await burrowLog(server), before)
      },
    )

    await t.test(`without its SA the call is ended, on both sides (${version})`, async () => {
      const least = version === 'ikev1' ? 1 : 2
      const before = await blockedBy(server)
      await must(phone, 'kill -KILL $(pidof xl2tpd pppd); ipsec down l2tp >/run/lab/down.log 2>&1')
      // The tunnel is there yet, and its policies are not: the shunt is what drops this.
      await until('the policies of the SA to be gone', async () => !(await isWithinSa(server)))
      await forge(lab, phone.address, server.address)
      await until('the kernel to block it', async () => (await blockedBy(server)) > before)
      assert.doesNotMatch((await burrowLog(server)).split('session up').at(-1) ?? '', /tunnel down/)
      await logs(server, /protection-lost[^\n]*tunnel down/, least)
      assert.match(await burrowLog(server), /its IPsec SA is gone, for 4000 ms/)
      await until('the shunt to go', async () => !(await holds(server)))
      await phone.end('KILL')
    })
  }

  await t.test('a charon that dies, and comes again, is told everything anew', async () => {
    await must(
      server,
      'kill -KILL $(pidof charon); kill $(pidof starter) 2>/dev/null; rm -f /run/charon.pid /run/starter.charon.pid',
    )
    await logs(server, /the connection to charon is lost/)
    await must(server, `./ipsec daemon ${server.address} ${phone.address}`)
    await logs(server, /connected with charon/, 2)
    await must(phone, `ipsec stop; ./ipsec client ${phone.address} ${server.address}`)
    await phone.dial(call)
    await phone.addressed()
    await phone.end()
  })

  await t.test('with `dropClear` nothing in the clear even arrives, and what is protected does', async () => {
    const yaml = configOf(server, { dropClear: true })
    await must(
      server,
      `cat >/run/lab/burrow.yaml <<'END'\n${yaml}\nEND\n${process.execPath} ${MAIN} reload --socket ${CONTROL}`,
    )
    await phone.dial(call)
    await phone.addressed()
    await phone.end()
    await must(phone, 'ipsec stop')
    await until('the server to see it', async () => /\(0 up/.test(await must(server, 'ipsec status')))
    const before = await burrowLog(server)
    const count = await blockedBy(server)
    await phone.dial(call)
    await until('the kernel to block it', async () => (await blockedBy(server)) > count)
    assert.equal(await burrowLog(server), before)
  })
})

test('burrow connect, with xl2tpd and strongSwan as the server', { skip: skipWithout('peers') }, async t => {
  const lab = await startLab(t, 2)
  const [client, lns] = [lab.guest(0), lab.guest(1)]
  await must(
    client,
    `[ -e /dev/net/tun ] || { modprobe -d /mnt tun; mknod /dev/net/tun c 10 200; } 2>/dev/null
    printf '${PSK}\\n' >/run/lab/psk; printf '${XL2TPD_USER.password}\\n' >/run/lab/password; chmod 600 /run/lab/psk /run/lab/password
    ./ipsec daemon ${client.address} ${lns.address}`,
  )
  for (const version of ['ikev1', 'ikev2'] as const) {
    await t.test(`${version}: brings up the SA, calls, pings, and takes both down`, async () => {
      await must(lns, `ipsec stop; ./ipsec server ${lns.address} ${client.address} ${version}`)
      await lns.end()
      await lns.serve('chap')
      const words = [
        ...['connect', lns.address, '--user', XL2TPD_USER.user, '--password-file', '/run/lab/password'],
        ...['--ipsec-psk-file', '/run/lab/psk', '--ipsec-ike', version.at(-1) ?? ''],
      ]
      await must(
        client,
        `${process.execPath} ${MAIN} ${words.join(' ')} >/run/lab/connect.log 2>&1 </dev/null & echo $! >/run/lab/connect.pid
        for _ in $(seq 300); do grep -q 'inside of IPsec' /run/lab/connect.log && break; kill -0 $(cat /run/lab/connect.pid) || break; sleep 0.1; done
        cat /run/lab/connect.log; ping -n -c 2 -i 0.2 -w 5 ${ADDRESS.xl2tpd}`,
      )
      const said = await must(client, 'cat /run/lab/connect.log')
      assert.match(
        said,
        new RegExp(`inside of IPsec: IKEv${version.at(-1)} ESP transport AES_\\S+ as 10\\.9\\.0\\.11`),
      )
      await must(
        client,
        'kill -INT $(cat /run/lab/connect.pid); for _ in $(seq 200); do kill -0 $(cat /run/lab/connect.pid) 2>/dev/null || break; sleep 0.05; done; ! kill -0 $(cat /run/lab/connect.pid) 2>/dev/null',
      )
      assert.match(await must(client, 'ipsec statusall'), /\(0 up, 0 connecting\)/)
      await lns.gone()
    })
  }
})
