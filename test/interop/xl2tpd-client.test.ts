/** A real client, xl2tpd and pppd on a Linux kernel, dials Burrow and reaches the intranet server. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { skipWithout } from '../setup/peers.ts'
import { ROOT } from '../support/imports.ts'
import type { Program } from '../support/processes.ts'
import { until } from '../support/until.ts'
import { ADDRESS, startLab } from './lab.ts'

const USER = { user: 'hb@hb', password: 'admin@123' } as const
const STATIC = { user: 'desk@hb', password: 'admin@123', address: '172.16.1.77' } as const
/** Its sessions last no longer than this. */
const BRIEF = { user: 'brief@hb', password: 'admin@123', sessionTimeoutS: 2 } as const
const EAP_MD5 = join(ROOT, 'dist/test/support/eap-md5-plugin.js')
const SECRET = 'tunnel-secret'
const POOL = /^172\.16\.1\.([2-9]|[1-9]\d|100)$/

interface Record {
  readonly event: 'start' | 'stop'
  readonly session: string
  readonly user: string
  readonly address: string
  readonly octetsIn: number
  readonly octetsOut: number
  readonly cause: string
}

test('xl2tpd as the client of burrow serve', { skip: skipWithout('peers') }, async t => {
  const lab = await startLab(t, 1)
  const client = lab.guest(0)
  const accounting = join(lab.folder, 'accounting.jsonl')
  let lns = await serve('')

  const call = { lns: ADDRESS.host, ...USER }
  // pppd declines what it is asked for first, and wishes for something: LCP walks our list.
  const refuse = (...methods: readonly string[]) => methods.map(method => `refuse-${method}`)
  const onlyPap = refuse('mschap-v2', 'mschap', 'chap', 'eap')
  for (const [method, options, said] of [
    ['pap', onlyPap, /sent \[PAP AuthReq/],
    ['chap', refuse('mschap-v2', 'mschap', 'pap', 'eap'), /rcvd \[LCP ConfReq .*<auth chap MD5>/],
    ['mschapv2', [], /rcvd \[CHAP Success id=\S+ "S=[0-9A-F]{40} M="\]/],
    ['eap', refuse('mschap-v2', 'mschap', 'chap', 'pap'), /sent \[EAP Response id=\S+ MD5-Challenge/],
  ] as const) {
    await t.test(`dials with ${method}, pings and fetches the page, and hangs up with StopCCN`, async () => {
      const before = records().length
      await client.dial({ ...call, options })
      const { own } = await entered()
      await client.says(said)
      await client.reachesTheServer(own)
      await client.end()
      const stop = await stopOf(before, own)
      assert.equal(stop.cause, 'tunnel-closed')
      assert.ok(stop.octetsIn > 300 && stop.octetsOut > 300, JSON.stringify(stop))
    })
  }

  await t.test('hangs up with an LCP Terminate-Request', async () => {
    const before = records().length
    await client.dial(call)
    const { own } = await entered()
    const { code, output } = await client.run('kill $(pidof pppd)')
    assert.equal(code, 0, output)
    assert.equal((await stopOf(before, own)).cause, 'peer-hangup')
    await client.gone()
  })

  await t.test('is hung up on when the time of its user is over', async () => {
    const before = records().length
    await client.dial({ ...call, user: BRIEF.user })
    const { own } = await entered()
    assert.equal((await stopOf(before, own)).cause, 'session-timeout')
    await client.gone()
    await client.says(/Call-Disconnect-Notify/)
  })

  await t.test('gets its own address again after a crash, and the dead session is ended', async () => {
    const before = records().length
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
    const before = records().length
    for (const [options, said] of [
      [onlyPap, /PAP authentication failed/],
      [[], /rcvd \[CHAP Failure id=\S+ "E=691 R=0 C=[0-9A-F]{32} V=3 M=Authentication failed"\]/],
      [refuse('mschap-v2', 'mschap', 'chap', 'pap'), /EAP: peer reports authentication failure/],
    ] as const) {
      await client.dial({ ...call, password: 'looking-glass', options })
      await client.says(said)
      await client.gone()
    }
    assert.equal(records().length, before, 'no session, no record')
    assert.doesNotMatch(lns.stdout() + lns.stderr(), /looking-glass/)

    await client.dial(call)
    await entered()
  })

  await t.test('is told when the LNS shuts down', async () => {
    const before = records().length - 1
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

  function records(): readonly Record[] {
    if (!existsSync(accounting)) return []
    return readFileSync(accounting, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map(line => JSON.parse(line))
  }

  /** The Stop of the only session since there were `before` records: one Start, one Stop, of one session. */
  async function stopOf(before: number, address: string): Promise<Record> {
    const [start, stop] = await until(
      'a Stop record',
      () => records().length >= before + 2 && records().slice(before),
      20_000,
      () => `\n${JSON.stringify(records().slice(before))}\n${lns.stderr()}`,
    )
    assert.deepEqual([start?.event, stop?.event], ['start', 'stop'])
    assert.equal(start?.session, stop?.session)
    assert.equal(start?.address, address)
    assert.ok(stop !== undefined)
    return stop
  }
})
