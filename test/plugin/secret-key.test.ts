import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSecretKey, withoutUrlPassword } from '../../core/plugin/secret-key.ts'

test('a secret may stand under a key whose last word says so', () => {
  const secrets = [
    'secret',
    'secrets',
    'password',
    'passwordHash',
    'bindPassword',
    'apiKey',
    'tokens',
    'PASSPHRASE',
    'headers',
    'env',
    'psk',
    'ipsecPsk',
    'bind_pass',
    'pwd',
    'simPin',
    'authorization',
    'cookies',
  ]
  assert.deepEqual(secrets.filter(isSecretKey), secrets)
})

test('the name of a file or variable that holds a secret is none', () => {
  const names = [
    'secretFile',
    'secretEnv',
    'passwordFile',
    'usersFile',
    'name',
    'user',
    'bypass',
    'spin',
    'compass',
    0,
  ]
  assert.deepEqual(names.filter(isSecretKey), [])
})

test('the password in a URL is not shown', () => {
  assert.equal(withoutUrlPassword('ldaps://admin:pw@dc1/ and http://x/'), 'ldaps://***@dc1/ and http://x/')
})
