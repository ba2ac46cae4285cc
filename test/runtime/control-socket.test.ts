import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { askControlSocket, openControlSocket } from '../../core/runtime/node/control-socket.ts'

const folder = mkdtempSync(join(tmpdir(), 'burrow-control-'))
after(() => rmSync(folder, { recursive: true }))
const answers = new Map<string, () => unknown>([
  ['sessions', () => [{ user: 'hb@hb', octetsIn: 2n ** 40n }]],
  ['broken', () => assert.fail('a fault')],
])

test('a question is answered, and only its owner can ask', async t => {
  const path = join(folder, 'deep', 'a.sock')
  const socket = await openControlSocket(path, answers)
  t.after(() => socket.close())
  assert.deepEqual(await askControlSocket(path, 'sessions'), [{ user: 'hb@hb', octetsIn: 2 ** 40 }])
  assert.equal(statSync(path).mode & 0o777, 0o600)
  await assert.rejects(askControlSocket(path, 'nothing'), {
    code: 'CONTROL_SOCKET',
    message: /known are sessions/,
  })
  await assert.rejects(askControlSocket(path, 'broken'), { code: 'CONTROL_SOCKET', message: /a fault/ })
  await socket.close()
  await assert.rejects(askControlSocket(path, 'sessions'), { code: 'CONTROL_SOCKET' })
})

test('a second server does not take the socket of a live one, but that of a dead one', async () => {
  const path = join(folder, 'b.sock')
  const first = await openControlSocket(path, answers)
  await assert.rejects(openControlSocket(path, answers), { code: 'CONTROL_SOCKET' })
  assert.ok(await askControlSocket(path, 'sessions'))
  await first.close()
  writeFileSync(path, '')
  const second = await openControlSocket(path, answers)
  assert.ok(await askControlSocket(path, 'sessions'))
  await second.close()
})

test('a path that cannot be used is a coded error', async () => {
  await assert.rejects(openControlSocket(join('/dev/null', 'c.sock'), answers), { code: 'CONTROL_SOCKET' })
})

/** Everything that the server says until it, or this client after `replies` lines, closes. */
function talk(path: string, text: string, replies: number): Promise<string[]> {
  return new Promise(resolve => {
    let said = ''
    const client = connect(path, () => client.write(text))
    client.setEncoding('utf8').on('data', chunk => {
      said += chunk
      if (said.split('\n').length > replies) client.end()
    })
    client.on('close', () => resolve(said.split('\n').slice(0, -1)))
  })
}

test('junk is answered with an error, an endless line with the end of the connection', async t => {
  const path = join(folder, 'd.sock')
  const socket = await openControlSocket(path, answers)
  t.after(() => socket.close())
  const replies = await talk(path, 'nonsense\n{"get":5}\nnull\n', 3)
  assert.deepEqual(
    replies.map(line => JSON.parse(line).ok),
    [false, false, false],
  )
  assert.deepEqual(await talk(path, 'x'.repeat(10_000), 1), [])
  assert.ok(await askControlSocket(path, 'sessions'))
})
