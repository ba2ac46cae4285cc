/** docs/first-hook.md, followed literally: each file that it shows is written, each command run, in a fresh folder. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { aFolder } from '../core/testing/samples.ts'
import { ROOT } from './support/imports.ts'
import { makeNetns, skipWithoutNetns } from './support/netns.ts'
import { run, start } from './support/processes.ts'

const DEADLINE_MS = 240_000

interface Block {
  readonly language: string
  readonly text: string
}

const blocks: readonly Block[] = [
  ...readFileSync(join(ROOT, 'docs', 'first-hook.md'), 'utf8').matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm),
].map(([, language = '', text = '']) => ({ language, text }))

test('who follows the guide to the first hook gets where it leads', { skip: skipWithoutNetns }, async t => {
  const folder = aFolder(t)
  const { name: netns } = makeNetns(t)
  const bin = join(folder, 'bin')
  // Root in a namespace of its own; and a signal reaches Burrow, not an npx that keeps it.
  program(
    join(bin, 'sudo'),
    `[ "\${1#--}" = "$1" ] || shift
     [ "$1" = npx ] && shift && command="$1" && shift && set -- "node_modules/.bin/$command" "$@"
     exec ip netns exec ${netns} "$@"`,
  )
  const env = {
    PATH: `${bin}:${process.env.PATH}`,
    npm_config_prefer_offline: 'true',
    // Packing builds anew: not below the tests that run from what is built.
    npm_config_ignore_scripts: 'true',
    // Each thing that it asks the registry for.
    npm_config_loglevel: 'http',
    NODE_TEST_CONTEXT: undefined,
  }
  let cwd = folder
  let output = ''
  const ran: string[] = []
  const asked: string[] = []

  const follow: Readonly<Record<string, (text: string) => void | Promise<void>>> = {
    sh: async text => {
      const script = text.replaceAll('~/burrow', ROOT)
      ran.push(...text.trim().split('\n'))
      if (/ serve /.test(script)) {
        const server = start(['sh', '-c', `exec ${script}`], { cwd, env })
        t.after(() => server.end('SIGTERM', DEADLINE_MS))
        await server.says(/Burrow listens on/, DEADLINE_MS)
        return
      }
      const { code, stdout, stderr } = await run(['sh', '-ec', script], { cwd, env, deadlineMs: DEADLINE_MS })
      output = stdout + stderr
      assert.equal(code, 0, `${script}\n${output}`)
      for (const [, into = ''] of script.matchAll(/^cd (\S+)$/gm)) cwd = join(cwd, into)
      asked.push(...output.split('\n').filter(line => line.startsWith('npm http')))
    },
    text: text => {
      for (const line of text.trim().split('\n')) assert.ok(output.includes(line), `${line}\nin\n${output}`)
    },
  }
  const write = (text: string) => {
    const [, path = assert.fail(`no file name above\n${text}`)] = /^(?:\/\/|#) (\S+)\n/.exec(text) ?? []
    writeFileSync(join(cwd, path), text)
  }
  for (const { language, text } of blocks) await (follow[language] ?? write)(text)

  assert.ok(asked.some(line => line.includes('/fast-check')))
  assert.deepEqual(
    asked.filter(line => /https?:\S*\/burrow\b/.test(line)),
    [],
    'the registry has a stranger of that name',
  )
  assert.equal(ran.filter(line => line === 'npm test').length, 2)
  assert.ok(ran.some(line => line.startsWith('sudo npx burrow serve')))
})

function program(path: string, text: string): void {
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, `#!/bin/sh\n${text}\n`)
  chmodSync(path, 0o755)
}
