import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSecretKey } from '../../core/plugin/secret-key.ts'

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
  ]
  assert.deepEqual(secrets.filter(isSecretKey), secrets)
})

test('the name of a file or variable that holds a secret is none', () => {
  const names = ['secretFile', 'secretEnv', 'passwordFile', 'usersFile', 'name', 'user', 0]
  assert.deepEqual(names.filter(isSecretKey), [])
})
