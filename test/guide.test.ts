/** docs/first-hook.md, followed literally: each file that it shows is written, each command run, in a fresh folder. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROOT } from './support/imports.ts'
import { makeNetns, skipWithoutNetns } from './support/netns.ts'
import { packBurrow } from './support/packed.ts'
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
  const { folder, tarball } = await packBurrow(t)
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
    NODE_TEST_CONTEXT: undefined,
  }
  let cwd = folder
  let output = ''
  const ran: string[] = []

  const follow: Readonly<Record<string, (text: string) => void | Promise<void>>> = {
    sh: async text => {
      // The registry does not have the Burrow of this checkout.
      const script = text.replace('plugin new otp', `plugin new otp --burrow ${tarball}`)
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
      const [, into] = /^cd (\S+)$/m.exec(script) ?? []
      if (into !== undefined) cwd = join(cwd, into)
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

  assert.equal(ran.filter(line => line === 'npm test').length, 2)
  assert.ok(ran.some(line => line.startsWith('sudo npx burrow serve')))
})

function program(path: string, text: string): void {
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, `#!/bin/sh\n${text}\n`)
  chmodSync(path, 0o755)
}
