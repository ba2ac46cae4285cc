import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse } from 'yaml'
import { z } from 'zod'
import { BUILT_IN } from '../../core/plugin/builtin.ts'
import { configJsonSchema } from '../../core/runtime/config-schema.ts'

/** The tests run from dist. */
const root = new URL('../../../', import.meta.url)

const accepts = async (config: unknown): Promise<boolean> =>
  z.fromJSONSchema((await configJsonSchema()) as z.core.JSONSchema.JSONSchema).safeParse(config).success

const LEAST = { gatewayAddress: '172.16.1.1' }

test('the names of our own plugins are the folders of plugins/', () => {
  const folders = readdirSync(new URL('plugins', root), { withFileTypes: true })
  assert.deepEqual(
    folders.filter(entry => entry.isDirectory()).map(({ name }) => name),
    BUILT_IN,
  )
})

test('the schema for editors accepts every example', async () => {
  const files = readdirSync(new URL('examples', root), { recursive: true, encoding: 'utf8' })
  const configs = files
    .filter(file => file.endsWith('.yaml'))
    .map(file => ({ file, config: parse(readFileSync(new URL(`examples/${file}`, root), 'utf8')) }))
    .filter(({ config }) => 'gatewayAddress' in config)
  assert.ok(configs.length > 0)
  for (const { file, config } of configs) assert.ok(await accepts(config), file)
})

test('the schema for editors takes what the server takes', async () => {
  assert.equal(await accepts(LEAST), true)
  for (const plugins of [
    ['auth-local'],
    [{ 'auth-local': null }],
    [{ 'auth-local': { usersFile: 'users.yaml', onUnavailable: 'next' } }],
    ['burrow-plugin-x', '@acme/burrow-otp', './otp.ts', { '/opt/otp.mjs': { digits: 6 } }, { x: null }],
    [{ deployment: { name: 'hq', plugins: ['auth-local', './otp.ts', { 'auth-local': { users: [] } }] } }],
    [{ deployment: { name: 'hq', when: { realm: 'hb', peer: ['10.0.0.0/8'] }, plugins: ['auth-local'] } }],
  ]) {
    assert.equal(await accepts({ ...LEAST, plugins }), true, JSON.stringify(plugins))
  }
})

test('the schema for editors refuses what the server refuses', async () => {
  for (const wrong of [
    {},
    { gatewayAddress: 'x' },
    { ...LEAST, hostname: 'x' },
    { ...LEAST, ppp: { mruBytes: 'big' } },
    { ...LEAST, tunnel: { maxTunnels: 70_000 } },
    { ...LEAST, plugins: ['deployment'] },
    { ...LEAST, plugins: [{ 'burrow-plugin-x': 1 }] },
    { ...LEAST, plugins: [{ './a.ts': {}, './b.ts': {} }] },
    { ...LEAST, plugins: [{ deployment: { plugins: ['auth-local'] } }] },
    { ...LEAST, plugins: [{ deployment: { name: 'a b', plugins: ['auth-local'] } }] },
    { ...LEAST, plugins: [{ deployment: { name: 'hq', when: { realms: 'hb' }, plugins: ['auth-local'] } }] },
    { ...LEAST, plugins: [{ deployment: { name: 'hq', plugins: [{ 'auth-local': { nosuch: 1 } }] } }] },
    { ...LEAST, plugins: [{ deployment: { name: 'hq', plugins: [{ deployment: { name: 'in' } }] } }] },
    { ...LEAST, plugins: [{ 'auth-local': { nosuch: 1 } }] },
    { ...LEAST, plugins: [{ 'auth-local': { onUnavailable: 'maybe' } }] },
    { ...LEAST, plugins: [{ 'auth-local': {}, 'address-pool': {} }] },
  ]) {
    assert.equal(await accepts(wrong), false, JSON.stringify(wrong))
  }
})

test('every option of the schema says what it is', async () => {
  const { properties } = (await configJsonSchema()) as {
    readonly properties: Readonly<Record<string, { readonly description?: string }>>
  }
  const silent = Object.entries(properties).filter(([, { description }]) => description === undefined)
  assert.deepEqual(
    silent.map(([name]) => name),
    [],
  )
})
