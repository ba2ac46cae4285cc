/** Rows behind IPsec: Burrow and strongSwan in one guest, the client and strongSwan in another, and nothing but ESP between them. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { ROOT } from '../support/imports.ts'
import { run, start } from '../support/processes.ts'
import { until } from '../support/until.ts'
import { ADDRESS, type Guest, type Lab, PAGE } from './lab.ts'
import type { Row } from './rows.ts'

const MAIN = join(ROOT, 'dist/core/cli/main.js')
const BOOT_MS = 60_000
const USER = { user: 'hb@hb', password: 'admin@123' } as const
const OTHERS = ['pap', 'chap', 'mschap', 'mschap-v2', 'eap'] as const

export interface BehindIpsec {
  play(row: Row): Promise<void>
  /** Throws where L2TP was in the clear. */
  end(): Promise<void>
}

export async function openIpsec(lab: Lab, client: Guest, server: Guest): Promise<BehindIpsec> {
  const capture = join(lab.folder, 'wire.pcap')
  const about = `host ${client.address} and host ${server.address}`
  const dumpcap = start(['dumpcap', '-i', 'br0', '-f', about, '-w', capture], { netns: lab.host.name })
  await dumpcap.says(/File: /)
  const must = async (guest: Guest, command: string) => {
    const { code, output } = await guest.run(command, BOOT_MS)
    assert.equal(code, 0, output)
    return output
  }
  const config = `listen: [${server.address}]
gatewayAddress: ${ADDRESS.inSessions}
manageKernel: true
controlSocket: /run/lab/control.sock
ppp: { auth: [mschapv2, chap-md5, pap] }
plugins:
  - auth-local: { users: [${JSON.stringify(USER)}] }
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }
  - policy-zones:
`
  await must(server, `./burrow ${MAIN} ${process.execPath} '${config}'`)
  await must(server, `./ipsec server ${server.address} ${client.address}`)
  await must(client, `./ipsec client ${client.address} ${server.address}`)
  let ended = 0
  return {
    async play({ method, variant }) {
      const options = OTHERS.filter(other => other !== method.pppd).map(other => `refuse-${other}`)
      await client.dial({ lns: server.address, ...USER, options: [...options, ...variant.options] })
      const { own, peer } = await client.addressed()
      assert.match(own, /^172\.16\.1\./)
      assert.equal(peer, ADDRESS.inSessions)
      await client.says(method.dialled)
      const page = await must(
        client,
        `ip route replace ${ADDRESS.web} dev ppp0
        ping -n -c 2 -i 0.2 -w 5 ${ADDRESS.web} && ping -n -c 1 -w 5 -M do -s ${variant.mtuBytes - 28} ${ADDRESS.web} &&
        printf 'GET / HTTP/1.0\\r\\n\\r\\n' | socat -t 5 - TCP:${ADDRESS.web}:80`,
      )
      assert.ok(page.includes(`${PAGE} for ${own}`), page)
      await client.end()
      ended++
      await until('the end of its tunnel', async () => {
        const log = await must(server, 'cat /run/lab/burrow.log')
        return log.split('tunnel down').length > ended
      })
    },
    async end() {
      await dumpcap.end('SIGINT')
      const { stdout } = await run(['tshark', '-r', capture, '-T', 'fields', '-e', 'frame.protocols'])
      const stacks = stdout.split('\n')
      const esp = stacks.filter(stack => stack.endsWith(':esp')).length
      assert.ok(esp > 30, `${esp} packets of ESP`)
      // What comes to an xl2tpd that is gone its kernel quotes in an ICMP error, which no policy of UDP 1701 covers.
      const inTheClear = stacks.filter(stack => /:udp:l2tp\b/.test(stack) && !stack.includes(':icmp:'))
      assert.deepEqual(inTheClear, [])
    },
  }
}
