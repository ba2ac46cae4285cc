// `npm run example -- 02` runs the example whose folder begins with that; without a word it lists them.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('../examples', import.meta.url))
const examples = readdirSync(folder).filter(name => existsSync(join(folder, name, 'run.mjs')))
const [word] = process.argv.slice(2)
const found = word === undefined ? undefined : examples.find(name => name.startsWith(word))

if (found === undefined) {
  const titleOf = name => /^# (.*)/.exec(readFileSync(join(folder, name, 'README.md'), 'utf8'))?.[1]
  for (const name of examples)
    process.stdout.write(`npm run example -- ${name.slice(0, 2)}   ${titleOf(name)}\n`)
  process.exitCode = word === undefined ? 0 : 1
} else {
  process.exitCode =
    spawnSync(process.execPath, [join(folder, found, 'run.mjs')], { stdio: 'inherit' }).status ?? 1
}
