import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { z } from 'zod'
import { BurrowError } from '../../core/errors.ts'
import { checkedArguments } from '../../core/runtime/control-arguments.ts'
import { controlSocketPath } from '../../core/runtime/control-socket-path.ts'
import {
  askControlSocket,
  type ControlAnswer,
  DEFAULT_CONTROL_SOCKET,
  openControlSocket,
} from '../../core/runtime/node/control-socket.ts'
import { run } from '../support/processes.ts'

const folder = mkdtempSync(join(tmpdir(), 'burrow-control-'))
after(() => rmSync(folder, { recursive: true }))
const Greeting = z.strictObject({ name: z.string() })
const answers = new Map<string, ControlAnswer>([
  ['sessions', () => [{ user: 'hb@hb', octetsIn: 2n ** 40n }]],
  ['broken', () => assert.fail('a fault')],
  ['greet', async args => `hello ${checkedArguments(Greeting, args).name}`],
  ['silent', () => new Promise(() => {})],
  [
    'wrong',
    async () => {
      const also = [
        new BurrowError('USERS_FILE', 'second', { file: 'users.yaml', line: 7, plugin: 'auth-local' }),
      ]
      throw new BurrowError('CONFIG_INVALID', 'first', { file: 'burrow.yaml', line: 3 }, { also })
    },
  ],
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
  await assert.rejects(askControlSocket(path, 'broken'), { code: 'INTERNAL', message: /a fault/ })
  await socket.close()
  await assert.rejects(askControlSocket(path, 'sessions'), { code: 'CONTROL_SOCKET' })
})

test('a second server does not take the socket of a live one, but that of a dead one', async () => {
  const path = join(folder, 'b.sock')
  const first = await openControlSocket(path, answers)
  await assert.rejects(openControlSocket(path, answers), { code: 'CONTROL_SOCKET' })
  assert.ok(await askControlSocket(path, 'sessions'))
  await first.close()
  const dead = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  await run([process.execPath, '-e', dead])
  assert.ok(statSync(path).isSocket())
  const second = await openControlSocket(path, answers)
  assert.ok(await askControlSocket(path, 'sessions'))
  await second.close()
})

test('a file that is no socket is left as it is', async () => {
  const path = join(folder, 'no-socket')
  writeFileSync(path, 'somebody needs this')
  await assert.rejects(openControlSocket(path, answers), { code: 'CONTROL_SOCKET' })
  assert.equal(readFileSync(path, 'utf8'), 'somebody needs this')
})

test('the path in a config is found without its secrets, plugins and faults', () => {
  const file = join(folder, 'burrow.yaml')
  const pathIn = (text: string) => {
    writeFileSync(file, text)
    return controlSocketPath(file)
  }
  const rest = 'secrets: [{ name: x, secret: !env NOT_SET }]\nplugins: [./gone.mjs, { nonsense: 1 }]\n'
  assert.equal(pathIn(`controlSocket: c.sock\n${rest}`), join(folder, 'c.sock'))
  assert.equal(pathIn(rest), DEFAULT_CONTROL_SOCKET)
  assert.equal(pathIn(`controlSocket: !env SOCKET\n${rest}`), undefined)
  assert.equal(pathIn(`controlSocket: [1]\n${rest}`), undefined)
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
  assert.deepEqual(await talk(path, 'x'.repeat(100_000), 1), [])
  assert.ok(await askControlSocket(path, 'sessions'))
})

test('a question has arguments, which their handler checks, and an answer may take its time', async t => {
  const path = join(folder, 'e.sock')
  const socket = await openControlSocket(path, answers)
  t.after(() => socket.close())
  assert.equal(await askControlSocket(path, 'greet', { name: 'Ada' }), 'hello Ada')
  const wrong = askControlSocket(path, 'greet', { name: 5, password: 'hunter2' })
  await assert.rejects(wrong, (error: BurrowError) => {
    assert.equal(error.code, 'USAGE')
    assert.doesNotMatch(error.message, /hunter2/)
    return true
  })
  await assert.rejects(askControlSocket(path, 'greet'), { code: 'USAGE' })
  await assert.rejects(askControlSocket(path, 'silent', {}, { timeoutMs: 20 }), { code: 'CONTROL_SOCKET' })
  const [garbled = ''] = await talk(path, '{"get":"greet","with":hunter2\n', 1)
  assert.equal(JSON.parse(garbled).error.code, 'CONTROL_SOCKET')
  assert.doesNotMatch(garbled, /hunter2/)
})

test('an error of the server is the error of the command: code, place and what else is wrong', async t => {
  const path = join(folder, 'f.sock')
  const socket = await openControlSocket(path, answers)
  t.after(() => socket.close())
  await assert.rejects(askControlSocket(path, 'wrong'), (error: BurrowError) => {
    assert.ok(error instanceof BurrowError)
    assert.deepEqual([error.code, error.place], ['CONFIG_INVALID', { file: 'burrow.yaml', line: 3 }])
    const [also] = error.also
    assert.ok(also instanceof BurrowError)
    assert.deepEqual([also.code, also.message], ['USERS_FILE', 'second'])
    assert.deepEqual(also.place, { file: 'users.yaml', line: 7, plugin: 'auth-local' })
    return true
  })
})

test('questions of one client are answered one after the other, in order', async t => {
  const path = join(folder, 'g.sock')
  let running = 0
  let most = 0
  const slow = async () => {
    most = Math.max(most, ++running)
    await new Promise(setImmediate)
    running--
    return most
  }
  const socket = await openControlSocket(path, new Map([['slow', slow]]))
  t.after(() => socket.close())
  const replies = await talk(path, '{"get":"slow"}\n'.repeat(50), 50)
  assert.equal(replies.length, 50)
  assert.equal(most, 1)
})
