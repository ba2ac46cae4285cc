import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { accountingSinkContract, aFolder, anEnd, aSession, startPlugin } from 'burrow/testing'
import plugin from './index.ts'

const recordsIn = (folder: string) => {
  const file = join(folder, 'sessions.jsonl')
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []
  return lines.filter(line => line !== '').map(line => JSON.parse(line))
}

accountingSinkContract({
  name: 'my-plugin',
  make: async t => {
    const configDir = aFolder(t)
    return { plugin: await startPlugin(t, plugin, { configDir }), records: async () => recordsIn(configDir) }
  },
  makeBroken: t => startPlugin(t, plugin, { configDir: '/nowhere' }),
})

test('a session leaves a start and a stop record', async t => {
  const configDir = aFolder(t)
  const sink = await startPlugin(t, plugin, { configDir })
  const end = anEnd(aSession({ user: 'hb@hb' }))
  await sink.tell('sessionUp', end)
  await sink.tell('sessionDown', end)
  assert.deepEqual(
    recordsIn(configDir).map(({ event, user }) => [event, user]),
    [
      ['start', 'hb@hb'],
      ['stop', 'hb@hb'],
    ],
  )
})
