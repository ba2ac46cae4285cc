/** xl2tpd and pppd on a Linux kernel dial `burrow serve`, which asks FreeRADIUS who they are and tells it what they did. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { skipWithout } from '../setup/peers.ts'
import { CA_PEM, CLIENT_KEY, CLIENT_PEM } from '../support/certificates.ts'
import { startFreeradius } from '../support/freeradius.ts'
import { until } from '../support/until.ts'
import { ADDRESS, startLab } from './lab.ts'

const USER = 'hb@hb'
const PASSWORD = 'admin@123'
const GRANTED = '172.16.1.51'
const OTHERS = ['mschap-v2', 'mschap', 'chap', 'pap', 'eap'] as const
const only = (method: (typeof OTHERS)[number]) =>
  OTHERS.filter(other => other !== method).map(other => `refuse-${other}`)

test('xl2tpd and pppd log in by FreeRADIUS', {
  skip: skipWithout('peers') || skipWithout('radius'),
}, async t => {
  const lab = await startLab(t, 1)
  const client = lab.guest(0)
  const reply = [`Framed-IP-Address = ${GRANTED}`, 'Class = 0x676f6c64']
  const radius = await startFreeradius(t, {
    netns: lab.host.name,
    users: {
      [USER]: { password: PASSWORD, reply },
      'cert@hb': { check: ['EAP-Type := TLS'], reply },
    },
  })
  const { host, authPort, acctPort, secret } = radius
  const lns = await lab.serve(`ppp: { auth: [eap, mschapv2, chap-md5, pap] }
plugins:
  - radius-client: { servers: [{ address: ${host}, authPort: ${authPort}, acctPort: ${acctPort}, secret: "${secret}" }] }
  - auth-radius
  - accounting-radius: { spool: ${join(lab.folder, 'spool')} }
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }
  - policy-zones: { zones: { trust: [192.168.1.0/24] } }
`)
  const files = { ca: CA_PEM, cert: CLIENT_PEM, key: CLIENT_KEY }
  for (const [name, pem] of Object.entries(files)) writeFileSync(join(lab.folder, `${name}.pem`), pem)
  const certificate = Object.keys(files).map(name => `${name} ${join(lab.folder, `${name}.pem`)}`)

  const call = { lns: ADDRESS.host, user: USER, password: PASSWORD }
  for (const [method, options, said] of [
    ['PAP', only('pap'), /sent \[PAP AuthReq/],
    ['CHAP', only('chap'), /rcvd \[LCP ConfReq .*<auth chap MD5>/],
    ['MS-CHAPv2', only('mschap-v2'), /rcvd \[CHAP Success id=\S+ "S=[0-9A-F]{40}/],
    ['EAP-MD5', only('eap'), /sent \[EAP Response id=\S+ MD5-Challenge/],
    ['EAP-TLS', [...only('eap'), ...certificate], /sent \[EAP Response id=\S+ TLS/],
  ] as const) {
    await t.test(`${method}: is let in with what FreeRADIUS grants, and accounted for`, async () => {
      const before = radius.detail().length
      const user = method === 'EAP-TLS' ? 'cert@hb' : USER
      await client.dial({ ...call, user, options })
      const { own } = await client.addressed()
      assert.equal(own, GRANTED)
      await client.says(said)
      await client.reachesTheServer(own)
      await client.end()
      const [start, stop] = await until(
        'Start and Stop in the detail file',
        () => radius.detail().length >= before + 2 && radius.detail().slice(before),
        20_000,
        () => `\n${JSON.stringify(radius.detail().slice(before))}\n${lns.stderr()}`,
      )
      for (const record of [start, stop]) {
        assert.deepEqual(record?.['User-Name'], [user])
        assert.deepEqual(record?.['Framed-IP-Address'], [GRANTED])
        assert.deepEqual(record?.Class, ['0x676f6c64'])
        assert.deepEqual(record?.['Acct-Session-Id'], radius.requests().at(-1)?.['Acct-Session-Id'])
      }
      assert.deepEqual([start?.['Acct-Status-Type'], stop?.['Acct-Status-Type']], [['Start'], ['Stop']])
      assert.deepEqual(stop?.['Acct-Terminate-Cause'], ['Lost-Service'])
      for (const name of ['Acct-Input-Octets', 'Acct-Output-Octets'])
        assert.ok(Number(stop?.[name]) > 300, `${name} ${stop?.[name]}`)
    })
  }

  await t.test('is refused with a wrong password', async () => {
    const before = radius.detail().length
    await client.dial({ ...call, password: 'looking-glass', options: only('mschap-v2') })
    await client.says(/rcvd \[CHAP Failure id=\S+ "E=691 /)
    await client.gone()
    assert.equal(radius.detail().length, before, 'no session, no record')
    assert.doesNotMatch(lns.stdout() + lns.stderr(), /looking-glass|admin@123/)
  })

  const { code, stderr } = await lns.end('SIGTERM', 20_000)
  assert.equal(code, 0, stderr)
  assert.deepEqual(radius.detail().at(-1)?.['Acct-Status-Type'], ['Accounting-Off'])
})
