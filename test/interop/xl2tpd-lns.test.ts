/** Burrow's client dials a real LNS, xl2tpd and pppd on a Linux kernel: secrets, refusals, ends; rows.test.ts has the methods. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { skipWithout } from '../setup/peers.ts'
import { burrow } from '../support/burrow.ts'
import { type Program, run } from '../support/processes.ts'
import { startLab, XL2TPD_USER } from './lab.ts'
import { pings } from './scene.ts'

/** An address of the LNS that its tunnel does not announce. */
const BEHIND = '10.71.0.1'
const SECRET = 'tunnel-secret'
const UP = /^\{"event":"up".*\}$/m

test('burrow connect and xl2tpd as the LNS', { skip: skipWithout('peers') }, async t => {
  const lab = await startLab(t, 1)
  const lns = lab.guest(0)
  const netns = lab.host.name
  await lns.run(`ip addr add ${BEHIND}/32 dev lo`)

  await t.test('proves the tunnel secret, and reaches what is routed into the tunnel', async () => {
    await lns.serve('chap', SECRET)
    const client = connect(['--tunnel-secret-env', 'SECRET', '--route', `${BEHIND}/32`])
    await client.says(UP)
    await pings(netns, BEHIND)
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
})
