import assert from 'node:assert/strict'
import { chmodSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import type { BurrowError } from '../../core/errors.ts'
import { loadPlugin, startPlugin } from '../../core/testing/plugin-harness.ts'
import { papProof } from '../../core/testing/proofs.ts'
import { aFolder } from '../../core/testing/samples.ts'
import hookHttp from '../../plugins/hook-http/index.ts'
import { CA_PEM, SERVER_KEY, SERVER_PEM, writeClientFiles } from '../support/certificates.ts'

/** Answers with the name in the client's certificate as the user. */
async function service(t: TestContext, options: object = {}): Promise<string> {
  const server = createServer({ cert: SERVER_PEM, key: SERVER_KEY, ...options }, (request, response) => {
    const { subject } = (request.socket as TLSSocket).getPeerCertificate()
    const user = subject === undefined ? 'nobody' : subject.CN
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ kind: 'accept', user }))
  })
  server.on('tlsClientError', () => {})
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

function files(t: TestContext): string {
  const folder = aFolder(t)
  writeClientFiles(folder)
  return folder
}

async function login(t: TestContext, url: string, more: object) {
  const options = { url, hooks: ['authenticate'], retries: 0, ...more }
  const plugin = await startPlugin(t, hookHttp, { options, configDir: files(t) })
  const { verdict } = await plugin.authenticate('hb@hb', papProof('pw'))
  const fault = plugin.faults[0]?.error as BurrowError | undefined
  return verdict?.kind === 'accept' ? verdict.user : fault?.code
}

test('a service is asked over TLS when its certificate can be trusted, else not', async t => {
  const url = await service(t)
  assert.equal(await login(t, url, { caFile: 'ca.pem' }), 'nobody')
  assert.equal(await login(t, url, {}), 'HOOK_FAILED')
})

test('no variable of the environment turns the check of certificates off', async t => {
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  t.after(() => delete process.env.NODE_TLS_REJECT_UNAUTHORIZED)
  assert.equal(await login(t, await service(t), {}), 'HOOK_FAILED')
})

test('the certificate must have the name of the url, or the one of the option', async t => {
  const url = (await service(t)).replace('127.0.0.1', 'localhost')
  assert.equal(await login(t, url, { caFile: 'ca.pem' }), 'HOOK_FAILED')
  assert.equal(await login(t, url, { caFile: 'ca.pem', serverName: 'hooks.example' }), 'nobody')
})

test('a service may ask for our certificate', async t => {
  const url = await service(t, { ca: CA_PEM, requestCert: true })
  const own = { certFile: 'client.pem', keyFile: 'client.key' }
  assert.equal(await login(t, url, { caFile: 'ca.pem', ...own }), 'client')
  assert.equal(await login(t, url, { caFile: 'ca.pem' }), 'HOOK_FAILED')
})

for (const [what, options, file] of [
  ['a file that is not there', { caFile: 'nothing' }, 'nothing'],
  ['a CA that is no certificate', { caFile: 'plain' }, 'plain'],
  ['a certificate that is none', { certFile: 'plain', keyFile: 'client.key' }, 'plain'],
  ['the key of another certificate', { certFile: 'client.pem', keyFile: 'other.key' }, 'other.key'],
] as const) {
  test(`does not start with ${what}: HOOK_HTTP, with the file`, async t => {
    const configDir = files(t)
    const all = { url: 'https://127.0.0.1/', hooks: ['authenticate'], ...options }
    await assert.rejects(loadPlugin(hookHttp, { options: all, configDir }), (error: BurrowError) => {
      assert.deepEqual([error.code, error.place.file], ['HOOK_HTTP', join(configDir, file)])
      return true
    })
  })
}

test('a key that others can read is worth a warning', async t => {
  const configDir = files(t)
  chmodSync(join(configDir, 'client.key'), 0o640)
  const options = {
    url: 'https://127.0.0.1/',
    hooks: ['authenticate'],
    certFile: 'client.pem',
    keyFile: 'client.key',
  }
  const { log } = await loadPlugin(hookHttp, { options, configDir })
  assert.deepEqual(
    log.map(({ level, fields }) => [level, fields.file]),
    [['warn', join(configDir, 'client.key')]],
  )
})
