/** What the pages of hook-exec, hook-http and the JSON of hooks say is true: their programs run as they stand there. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { BurrowError } from '../../core/errors.ts'
import { Inquiry, type TapFault } from '../../core/hooks/guard.ts'
import { HookSet } from '../../core/hooks/hook-set.ts'
import { HOOKS, type HookName } from '../../core/hooks/hooks.ts'
import { HOOK_NAMES, hookVerdict } from '../../core/plugin/hook-json.ts'
import { startPlugin } from '../../core/testing/plugin-harness.ts'
import { chapProof, papProof } from '../../core/testing/proofs.ts'
import { aFolder, anEnd, aSession, aTunnel } from '../../core/testing/samples.ts'
import { VirtualClock } from '../../core/testing/virtual-clock.ts'
import hookExec from '../../plugins/hook-exec/index.ts'
import hookHttp from '../../plugins/hook-http/index.ts'
import { skipWithout } from '../setup/peers.ts'
import { ROOT } from '../support/imports.ts'
import { start } from '../support/processes.ts'

const read = (page: string) => readFileSync(join(ROOT, page), 'utf8')
const blocks = (page: string, language: string) =>
  [...read(page).matchAll(new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``, 'g'))].map(
    ([, text = '']) => text,
  )

const python = { skip: skipWithout('programs') }

/** The only program of a page in that language, beside a config. */
function program(t: TestContext, page: string, language: string, name: string) {
  const [text, another] = blocks(page, language)
  assert.ok(text !== undefined && another === undefined, `${page} has one ${language} block`)
  const folder = aFolder(t)
  writeFileSync(join(folder, name), text, { mode: 0o755 })
  return folder
}

test('the sh program of hook-exec denies addresses, and keeps a file of sessions', async t => {
  const configDir = program(t, 'plugins/hook-exec/README.md', 'sh', 'guard.sh')
  writeFileSync(join(configDir, 'denied.txt'), '192.0.2.1\n')
  const options = { command: ['./guard.sh'], hooks: ['admitTunnel', 'sessionUp', 'sessionDown'] }
  const plugin = await startPlugin(t, hookExec, { options, configDir })
  const path = (address: string) => ({ ...aTunnel().path, remote: { address, port: 1 } })
  // What a peer calls itself must not pass for its address.
  const admit = async (address: string) => {
    const tunnel = { ...aTunnel(path(address)), peerHostName: '","remote":{"address":"192.0.2.1"},"' }
    return plugin.host.hooks.ask('admitTunnel', new Inquiry(), { tunnel })
  }
  assert.equal((await admit('192.0.2.1'))?.kind, 'deny')
  assert.equal(await admit('192.0.2.11'), undefined)
  assert.equal(await admit('192.0.2'), undefined)
  const user = `it's "a" \\ $(name)\n`
  await plugin.host.hooks.tell('sessionUp', anEnd(aSession({ user })))
  await plugin.host.hooks.tell('sessionDown', anEnd(aSession({ user })))
  const lines = readFileSync(join(configDir, 'sessions.jsonl'), 'utf8').trim().split('\n')
  assert.deepEqual(
    lines.map(line => JSON.parse(line)).map(({ hook, session }) => [hook, session.user]),
    [
      ['sessionUp', user],
      ['sessionDown', user],
    ],
  )
  assert.deepEqual(plugin.faults, [])
})

for (const [where, text] of [
  ['the page', blocks('plugins/hook-exec/README.md', 'sh')[0] ?? ''],
  ['example 06', read('examples/06-shell-script-hook/guard.sh')],
] as const) {
  test(`the sh program of ${where} denies every address when its deny list cannot be read`, async t => {
    const configDir = aFolder(t)
    writeFileSync(join(configDir, 'guard.sh'), text, { mode: 0o755 })
    const options = { command: ['./guard.sh'], hooks: ['admitTunnel'] }
    const { host, faults } = await startPlugin(t, hookExec, { options, configDir })
    const admit = () => host.hooks.ask('admitTunnel', new Inquiry(), { tunnel: aTunnel() })
    assert.equal((await admit())?.kind, 'deny')
    assert.deepEqual(
      faults.map(({ error }) => (error as BurrowError).code),
      ['HOOK_FAILED'],
    )
    writeFileSync(join(configDir, 'denied.txt'), '')
    assert.equal(await admit(), undefined)
  })
}

test('the Python program of hook-exec authenticates with PAP and CHAP', python, async t => {
  const configDir = program(t, 'plugins/hook-exec/README.md', 'python', 'users.py')
  const options = { command: ['./users.py'], hooks: ['authenticate'], mode: 'pooled', processes: 1 }
  const plugin = await startPlugin(t, hookExec, { options, configDir })
  for (const prove of [papProof, chapProof]) {
    const kindOf = async (user: string, secret: string) =>
      (await plugin.authenticate(user, prove(secret))).verdict?.kind
    assert.equal(await kindOf('hb@hb', 'admin@123'), 'accept')
    assert.equal(await kindOf('hb@hb', 'wrong'), 'reject')
    assert.equal(await kindOf('nobody', 'admin@123'), undefined)
  }
  assert.deepEqual(plugin.faults, [])
})

test('the Python service of hook-http authenticates, and hears of the end of sessions', python, async t => {
  const folder = program(t, 'plugins/hook-http/README.md', 'python', 'service.py')
  const service = start(['python3', join(folder, 'service.py'), '0'])
  t.after(() => service.end('SIGKILL'))
  const [, port] = await service.says(/listening on port (\d+)/)
  const options = { url: `http://127.0.0.1:${port}/`, hooks: ['authenticate', 'sessionDown'] }
  const plugin = await startPlugin(t, hookHttp, { options })
  assert.equal((await plugin.authenticate('hb@hb', papProof('admin@123'))).verdict?.kind, 'accept')
  assert.equal((await plugin.authenticate('hb@hb', papProof('wrong'))).verdict?.kind, 'reject')
  assert.equal((await plugin.authenticate('nobody', papProof('wrong'))).verdict, undefined)
  await plugin.host.hooks.tell('sessionDown', anEnd(aSession(), { durationMs: 1234 }))
  await service.says(/\["hb@hb", 1234\]/)
  assert.deepEqual(plugin.faults, [])
})

interface Example {
  readonly request: Readonly<Record<string, unknown>> & { readonly hook: HookName }
  readonly answers: unknown[]
}

/** Each request of the page, with the answers that stand below it. */
function examples(): readonly Example[] {
  const found: Example[] = []
  for (const line of blocks('docs/hooks-json.md', 'json').join('').trim().split('\n')) {
    const value = JSON.parse(line)
    if (value?.v === 1) found.push({ request: value, answers: [] })
    else found.at(-1)?.answers.push(value)
  }
  return found
}

test('the page on JSON has an example of every hook', () => {
  assert.deepEqual(
    HOOK_NAMES.filter(hook => !examples().some(({ request }) => request.hook === hook)),
    [],
  )
})

test('every answer on the page on JSON is one that its hook takes, and every kind of verdict is among them', async () => {
  for (const { request, answers } of examples()) {
    const { kind } = HOOKS[request.hook]
    if (kind === 'observer') continue
    for (const answer of answers) {
      const faults: TapFault[] = []
      const hooks = new HookSet({ clock: new VirtualClock(), report: fault => faults.push(fault) })
      const tap = hooks.ownedBy({ plugin: 'example' })[request.hook].tap as (
        name: string,
        run: () => unknown,
      ) => void
      tap('example', () => hookVerdict(request.hook, answer))
      const inquiry = new Inquiry()
      if (kind === 'first-answer') await hooks.ask(request.hook as never, inquiry, request as never)
      else await hooks.refine(request.hook as never, inquiry, request.value as never, request as never)
      assert.deepEqual(faults, [], JSON.stringify(answer))
      assert.equal(inquiry.trail.length, 1)
    }
  }
  for (const hook of HOOK_NAMES) {
    const said = examples()
      .filter(({ request }) => request.hook === hook)
      .flatMap(({ answers }) => answers as ({ readonly kind?: string } | null)[])
    const missing = Object.keys(HOOKS[hook].verdicts).filter(
      kind => !said.some(answer => answer?.kind === kind),
    )
    assert.deepEqual(missing, [], hook)
  }
})
