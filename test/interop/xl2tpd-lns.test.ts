/** Burrow's client dials a real LNS: xl2tpd and pppd on a Linux kernel. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { skipWithout } from '../setup/peers.ts'
import { burrow } from '../support/burrow.ts'
import { type Program, run } from '../support/processes.ts'
import { ADDRESS, startLab, XL2TPD_USER } from './lab.ts'

/** An address of the LNS that its tunnel does not announce. */
const BEHIND = '10.71.0.1'
const SECRET = 'tunnel-secret'
const UP = /^\{"event":"up".*\}$/m
const DOWN = /^\{"event":"down".*\}$/m

test('burrow connect and xl2tpd as the LNS', { skip: skipWithout('peers') }, async t => {
  const lab = await startLab(t, 1)
  const lns = lab.guest(0)
  const netns = lab.host.name
  await lns.run(`ip addr add ${BEHIND}/32 dev lo`)

  for (const [auth, method] of [
    ['pap', 'pap'],
    ['chap', 'chap'],
    ['mschap-v2', 'mschapv2'],
    ['eap', 'eap'],
  ] as const) {
    await t.test(`dials, pings and hangs up with ${method}`, async () => {
      await lns.serve(auth)
      const client = connect(['--auth', method])
      const up = JSON.parse((await client.says(UP))[0])
      assert.equal(up.peerAddress, ADDRESS.xl2tpd)
      assert.match(up.localAddress, /^10\.70\.1\.\d+$/)
      assert.deepEqual(up.dns, ['10.0.0.1'])
      assert.equal(up.mtuBytes, 1400)
      await pings(ADDRESS.xl2tpd)
      // The largest packet that fits, which comes back whole.
      await pings(ADDRESS.xl2tpd, ['-M', 'do', '-s', '1372'])

      const { code, stdout, stderr } = await client.end()
      assert.equal(code, 0, stderr)
      assert.equal(JSON.parse(DOWN.exec(stdout)?.[0] ?? '{}').cause, 'local-hangup')
      await lns.gone()
      assert.doesNotMatch(lab.host.exec('ip', 'link'), /burrow1/, 'the TUN device went with the client')
    })
  }

  await t.test('proves the tunnel secret, and reaches what is routed into the tunnel', async () => {
    await lns.serve('chap', SECRET)
    const client = connect(['--tunnel-secret-env', 'SECRET', '--route', `${BEHIND}/32`])
    await client.says(UP)
    await pings(BEHIND)
    const shell = await run(['socat', '-t', '5', '-', `TCP:${BEHIND}:2323`], { netns, input: 'hostname\n' })
    assert.equal(shell.stdout, 'guest0\n', 'TCP passes')
    await client.end()
    await lns.gone()
  })

  await t.test('says that the password, or the tunnel secret, is wrong', async () => {
    await lns.serve('chap', SECRET)
    const password = await connect(['--tunnel-secret-env', 'SECRET'], 'looking-glass').ended
    assert.equal(password.code, 4, password.stderr)
    assert.match(password.stderr, /DIAL_AUTH/)
    assert.doesNotMatch(password.stderr, /looking-glass/)

    const secret = await connect([]).ended
    assert.equal(secret.code, 4, secret.stderr)
    assert.match(secret.stderr, /DIAL_AUTH/)
  })

  await t.test('says that the password is wrong with MS-CHAPv2 and EAP too', async () => {
    for (const [auth, method] of [
      ['mschap-v2', 'mschapv2'],
      ['eap', 'eap'],
    ] as const) {
      await lns.serve(auth)
      const { code, stderr } = await connect(['--auth', method], 'looking-glass').ended
      assert.equal(code, 4, stderr)
      assert.match(stderr, /DIAL_AUTH/)
    }
  })

  await t.test('ends with an error when the LNS ends the call', async () => {
    await lns.serve('pap')
    const client = connect([])
    await client.says(UP)
    await lns.end()
    const { code, stderr } = await client.ended
    assert.equal(code, 1, stderr)
    assert.match(stderr, /DIAL_FAILED/)
  })

  function connect(options: readonly string[], password: string = XL2TPD_USER.password): Program {
    const who = ['--user', XL2TPD_USER.user, '--password-env', 'PASSWORD']
    return burrow(['connect', lns.address, ...who, '--json', ...options], {
      netns,
      env: { PASSWORD: password, SECRET },
    })
  }

  /** The other side's pppd may still run its scripts when we are up: one answer first, then none may be lost. */
  async function pings(address: string, options: readonly string[] = []): Promise<void> {
    const ping = ['ping', '-n', '-i0.2', '-w5', ...options, address]
    await run([...ping, '-c1'], { netns })
    const { stdout } = await run([...ping, '-c3'], { netns })
    assert.match(stdout, / 0% packet loss/)
  }
})
