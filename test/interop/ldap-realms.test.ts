/** pppd dials a server with two realms, one of which can be verified by PAP alone: LCP is negotiated anew for it. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { skipWithout } from '../setup/peers.ts'
import { PEOPLE, SERVICE, startSlapd } from '../support/slapd.ts'
import { ADDRESS, startLab } from './lab.ts'

test('xl2tpd and pppd log in by OpenLDAP, each by what its realm can verify', {
  skip: skipWithout('peers') || skipWithout('directories'),
}, async t => {
  const lab = await startLab(t, 1)
  const client = lab.guest(0)
  const slapd = await startSlapd(t, { netns: lab.host.name })
  const directory = { urls: [slapd.url], startTls: true, caFile: join(slapd.folder, 'ca.pem') }
  const common = { ...directory, service: SERVICE, base: PEOPLE }
  const hashes = { realms: ['lab.test'], clearTextAttribute: 'userPassword' }
  const lns = await lab.serve(`log: { format: json }
ppp: { auth: [mschapv2, chap-md5, pap] }
plugins:
  - auth-ldap: ${JSON.stringify({ ...common, ...hashes })}
  - auth-ldap: ${JSON.stringify({ as: 'pap-only', ...common, realms: ['pap.test'], methods: ['pap'] })}
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }
  - policy-zones: { zones: { trust: [192.168.1.0/24] } }
`)
  const call = { lns: ADDRESS.host, password: 'wonderland' }

  for (const [user, said] of [
    ['alice@lab.test', [/rcvd \[CHAP Success id=\S+ "S=/]],
    [
      'alice@pap.test',
      [/rcvd \[LCP ConfReq .*<auth chap MS-v2>/, /rcvd \[LCP ConfReq .*<auth pap>/, /rcvd \[PAP AuthAck/],
    ],
  ] as const)
    await t.test(`${user} comes in, and reaches the server`, async () => {
      await client.dial({ ...call, user })
      const { own } = await client.addressed()
      for (const pattern of said) await client.says(pattern)
      await client.reachesTheServer(own)
      await client.end()
    })

  await t.test(
    'a client of the other realm that allows no PAP is refused, and the log says why',
    async () => {
      const options = ['refuse-pap', 'refuse-eap']
      await client.dial({ ...call, user: 'alice@pap.test', options })
      await lns.says(/its users may use pap, and this was mschapv2/)
      await client.gone()
    },
  )

  const { code, stdout, stderr } = await lns.end('SIGTERM', 20_000)
  assert.equal(code, 0, stderr)
  assert.doesNotMatch(stdout + stderr, /wonderland/)
})
