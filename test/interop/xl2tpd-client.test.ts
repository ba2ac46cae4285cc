/** A real client, xl2tpd and pppd on a Linux kernel, and the ways in which its calls end; rows.test.ts has the methods. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { skipWithout } from '../setup/peers.ts'
import { ROOT } from '../support/imports.ts'
import type { Program } from '../support/processes.ts'
import { ADDRESS, startLab } from './lab.ts'
import { type AccountingRecord, recordsOf, stopOf as stopIn } from './records.ts'

const USER = { user: 'hb@hb', password: 'admin@123' } as const
const STATIC = { user: 'desk@hb', password: 'admin@123', address: '172.16.1.77' } as const
/** Its sessions last no longer than this. */
const BRIEF = { user: 'brief@hb', password: 'admin@123', sessionTimeoutS: 2 } as const
const EAP_MD5 = join(ROOT, 'dist/test/support/eap-md5-plugin.js')
const SECRET = 'tunnel-secret'
const POOL = /^172\.16\.1\.([2-9]|[1-9]\d|100)$/

test('xl2tpd as the client of burrow serve', { skip: skipWithout('peers') }, async t => {
  const lab = await startLab(t, 1)
  const client = lab.guest(0)
  const accounting = join(lab.folder, 'accounting.jsonl')
  let lns = await serve('')

  const call = { lns: ADDRESS.host, ...USER }
  const refuse = (...methods: readonly string[]) => methods.map(method => `refuse-${method}`)
  const onlyPap = refuse('mschap-v2', 'mschap', 'chap', 'eap')

  await t.test('hangs up with an LCP Terminate-Request', async () => {
    const before = recordsOf(accounting).length
    await client.dial(call)
    const { own } = await entered()
    const { code, output } = await client.run('kill $(pidof pppd)')
    assert.equal(code, 0, output)
    assert.equal((await stopOf(before, own)).cause, 'peer-hangup')
    await client.gone()
  })

  await t.test('is hung up on when the time of its user is over', async () => {
    const before = recordsOf(accounting).length
    await client.dial({ ...call, user: BRIEF.user })
    const { own } = await entered()
    assert.equal((await stopOf(before, own)).cause, 'session-timeout')
    await client.gone()
    await client.says(/Call-Disconnect-Notify/)
  })

  await t.test('gets its own address again after a crash, and the dead session is ended', async () => {
    const before = recordsOf(accounting).length
    await client.dial({ ...call, user: STATIC.user })
    assert.equal((await entered()).own, STATIC.address)
    await client.end('KILL')
    await client.dial({ ...call, user: STATIC.user })
    assert.equal((await entered()).own, STATIC.address)
    assert.equal((await stopOf(before, STATIC.address)).cause, 'replaced')
    await client.reachesTheServer(STATIC.address)
    await client.end()
    await stopOf(before + 2, STATIC.address)
  })

  await t.test('is refused with a wrong password, and let in with the right one', async () => {
    const before = recordsOf(accounting).length
    for (const [options, said] of [
      [onlyPap, /PAP authentication failed/],
      [[], /rcvd \[CHAP Failure id=\S+ "E=691 R=0 C=[0-9A-F]{32} V=3 M=Authentication failed"\]/],
      [refuse('mschap-v2', 'mschap', 'chap', 'pap'), /EAP: peer reports authentication failure/],
    ] as const) {
      await client.dial({ ...call, password: 'looking-glass', options })
      await client.says(said)
      await client.gone()
    }
    assert.equal(recordsOf(accounting).length, before, 'no session, no record')
    assert.doesNotMatch(lns.stdout() + lns.stderr(), /looking-glass/)

    await client.dial(call)
    await entered()
  })

  await t.test('is told when the LNS shuts down', async () => {
    const before = recordsOf(accounting).length - 1
    const { own } = await client.addressed()
    const { code, stderr } = await lns.end('SIGTERM', 20_000)
    assert.equal(code, 0, stderr)
    assert.equal((await stopOf(before, own)).cause, 'shutdown')
    await client.gone()
    await client.says(/Stop-Control-Connection-Notification/)
  })

  await t.test('is let in with the tunnel secret only', async () => {
    lns = await serve(`secrets: [{ name: lab, secret: ${SECRET} }]`)
    await client.dial({ ...call, secret: 'another-secret', challenge: false })
    await client.says(/Stop-Control-Connection-Notification/)
    await client.gone()
    await client.dial({ ...call, secret: SECRET })
    await client.reachesTheServer((await entered()).own)
  })

  await t.test('notices that the LNS started anew, and gets in again', async () => {
    const options = ['lcp-echo-interval 1', 'lcp-echo-failure 3']
    await client.dial({ ...call, secret: SECRET, options })
    await entered()
    await lns.end('SIGKILL')
    lns = await serve(`secrets: [{ name: lab, secret: ${SECRET} }]`)
    await client.gone()
    await client.dial({ ...call, secret: SECRET, options })
    await client.reachesTheServer((await entered()).own)
  })

  function serve(more: string): Promise<Program> {
    const users = [USER, STATIC, BRIEF].map(user => JSON.stringify(user)).join(', ')
    return lab.serve(`ppp: { auth: [mschapv2, chap-md5, pap, eap] }
${more}
plugins:
  - ${EAP_MD5}: { users: { ${USER.user}: ${USER.password} } }
  - auth-local: { users: [${users}] }
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }
  - policy-zones:
  - accounting-file: { file: ${accounting} }
`)
  }

  /** The client's address, once it has one. */
  async function entered(): Promise<{ readonly own: string }> {
    const { own, peer } = await client.addressed()
    assert.match(own, POOL)
    assert.equal(peer, ADDRESS.inSessions)
    return { own }
  }

  /** The Stop of the only session since there were `before` records. */
  function stopOf(before: number, address: string): Promise<AccountingRecord> {
    return stopIn(accounting, before, address, () => lns.stderr())
  }
})
