import assert from 'node:assert/strict'
import { test } from 'node:test'
import { skipWithout } from '../setup/peers.ts'
import { radclient, startFreeradius } from './freeradius.ts'

const skip = skipWithout('radius')

test('FreeRADIUS answers PAP, CHAP and MS-CHAP, and records what it was asked', { skip }, async t => {
  const server = await startFreeradius(t, {
    users: {
      alice: {
        password: 'wonder"land',
        reply: ['Framed-IP-Address = 10.66.0.50', 'Class = "a"', 'Class += "b"'],
      },
    },
  })
  const { authPort: port, secret } = server
  const ask = (...attributes: string[]) =>
    radclient({ port, secret, kind: 'auth', attributes: ['User-Name = "alice"', ...attributes] })
  const pap = await ask('User-Password = "wonder\\"land"')
  assert.equal(pap.code, 'Access-Accept', pap.output + server.log())
  assert.deepEqual(pap.attributes['Framed-IP-Address'], ['10.66.0.50'])
  assert.equal(pap.attributes.Class?.length, 2)
  assert.ok(pap.attributes['Message-Authenticator'])
  assert.equal((await ask('CHAP-Password = "wonder\\"land"')).code, 'Access-Accept')
  assert.equal((await ask('MS-CHAP-Password = "wonder\\"land"')).code, 'Access-Accept')
  const wrong = await ask('User-Password = "x"')
  assert.equal(wrong.code, 'Access-Reject')
  assert.ok(wrong.attributes['Message-Authenticator'])
  assert.deepEqual(server.requests()[0]?.['User-Password'], ['wonder"land'])

  const stop = [
    'User-Name = "alice"',
    'Acct-Status-Type = Stop',
    'Acct-Session-Id = "7"',
    'Class = 0x61',
    'Class += 0x62',
  ]
  const accounted = await radclient({ port: server.acctPort, secret, kind: 'acct', attributes: stop })
  assert.equal(accounted.code, 'Accounting-Response', accounted.output)
  const [record] = server.detail()
  assert.deepEqual(record?.['Acct-Session-Id'], ['7'])
  assert.equal(record?.Class?.length, 2)
})

test('challenges, delays, Status-Server, and the stock answer without Message-Authenticator', {
  skip,
}, async t => {
  const users = {
    carol: { password: 'pw', challenge: { message: 'the code?', answer: '123' } },
    dave: { password: 'pw', delayS: 1 },
  }
  const server = await startFreeradius(t, { users, messageAuthenticator: 'stock' })
  const { authPort: port, secret } = server
  const ask = (user: string, ...attributes: string[]) =>
    radclient({ port, secret, kind: 'auth', attributes: [`User-Name = "${user}"`, ...attributes] })
  const first = await ask('carol', 'User-Password = "pw"')
  assert.equal(first.code, 'Access-Challenge', first.output + server.log())
  assert.deepEqual(first.attributes['Reply-Message'], ['the code?'])
  const state = first.attributes.State?.[0]
  assert.equal((await ask('carol', `State = ${state}`, 'User-Password = "pw"')).code, 'Access-Reject')
  assert.equal((await ask('carol', `State = ${state}`, 'User-Password = "123"')).code, 'Access-Accept')

  const start = performance.now()
  const slow = await ask('dave', 'User-Password = "pw"')
  assert.ok(performance.now() - start > 900)
  assert.equal(slow.code, 'Access-Accept')
  assert.equal(slow.attributes['Message-Authenticator'], undefined)

  assert.equal((await radclient({ port, secret, kind: 'status', attributes: [] })).code, 'Access-Accept')
})

test('it stops, starts again where it was, and can be silent for a while', { skip }, async t => {
  const server = await startFreeradius(t, { users: { alice: { password: 'pw' } }, radsec: true })
  const { authPort: port, secret } = server
  const attributes = ['User-Name = "alice"', 'User-Password = "pw"']
  const ask = async () => (await radclient({ port, secret, kind: 'auth', attributes, timeoutS: 1 })).code
  assert.equal(await ask(), 'Access-Accept')
  server.pause()
  assert.equal(await ask(), undefined)
  server.resume()
  assert.equal(await ask(), 'Access-Accept')
  await server.stop()
  assert.equal(await ask(), undefined)
  await server.restart()
  assert.equal(await ask(), 'Access-Accept')
})
