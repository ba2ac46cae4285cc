/** What a newcomer does: clone, `npm start`, dial, stop. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { describeDatagram } from '../../core/wire/describe.ts'
import { ROOT } from '../support/imports.ts'
import { makeNetns, skipWithoutNetns } from '../support/netns.ts'
import { run, start } from '../support/processes.ts'

const INSTALL_MS = 180_000
const BUILD_MS = 90_000

test('a fresh clone serves with npm start, is dialled with burrow connect, and stops in order', {
  skip: skipWithoutNetns,
}, async t => {
  const folder = mkdtempSync(join(tmpdir(), 'burrow-start-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const clone = join(folder, 'burrow')
  const cloned = await run(['git', 'clone', '-q', ROOT, clone])
  assert.equal(cloned.code, 0, cloned.stderr)
  // The namespace below has no way to the registry, so what `npm start` would install is installed before.
  const env = { npm_config_prefer_offline: 'true' }
  const installed = await run(['npm', 'run', '-s', 'prepare:dist'], {
    cwd: clone,
    env,
    deadlineMs: INSTALL_MS,
  })
  assert.equal(installed.code, 0, installed.stderr)

  const { name: netns } = makeNetns(t)
  const trace = join(folder, 'trace.jsonl')
  const server = start(['npm', 'start', '--', '--trace', trace], { netns, cwd: clone })
  // npm hands the signal on; without it the server would outlive a test that fails.
  t.after(() => server.end('SIGTERM', BUILD_MS))
  const [, address = '', user = '', password = ''] = await server.says(
    /npx burrow connect (\S+) --user (\S+) +\(password (\S+)\)/,
    BUILD_MS,
  )
  const words = ['npx', 'burrow', 'connect', address, '--user', user, '--password-env', 'PASSWORD', '--json']
  const client = start(words, { netns, cwd: clone, env: { PASSWORD: password } })
  const [up] = await client.says(/{"event":"up".*}/, BUILD_MS)
  assert.match(JSON.parse(up).localAddress, /^172\.16\.1\./)

  const stopped = await server.end('SIGTERM', BUILD_MS)
  assert.equal(stopped.code, 0, stopped.stderr)
  assert.notEqual((await client.ended).code, 0, 'the client notices')
  const sent = lines(trace)
    .filter(({ direction }) => direction === 'out')
    .map(({ hex }) => describeDatagram(Uint8Array.from(Buffer.from(hex, 'hex'))).text.split(' ')[0])
  assert.deepEqual(
    sent.filter(message => message === 'CDN' || message === 'StopCCN'),
    ['CDN', 'StopCCN'],
  )
  const records = lines(join(clone, 'examples', '01-reference', 'accounting.jsonl'))
  assert.deepEqual(
    records.map(({ event, user, cause }) => [event, user, cause]),
    [
      ['start', user, undefined],
      ['stop', user, 'shutdown'],
    ],
  )
})

function lines(file: string) {
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
}
