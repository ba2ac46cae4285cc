/** Every public name, and every member of a public type, says what it is: what `npm run docs:api` is made of. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROOT } from './support/imports.ts'
import { run } from './support/processes.ts'

const DEADLINE_MS = 240_000
const TYPEDOC = join(ROOT, 'node_modules', 'typedoc', 'bin', 'typedoc')
const OPTIONS = join(ROOT, 'tools', 'typedoc.config.mjs')

test('each public name is documented, and what a signature mentions is public', async () => {
  const { code, output } = await typedoc(OPTIONS)
  assert.equal(code, 0, output)
})

test('an undocumented function, an undocumented member and a hidden type are each found', async t => {
  const folder = mkdtempSync(join(ROOT, 'dist', 'api-docs-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const entry = join(folder, 'guilty.ts')
  const tsconfig = join(folder, 'tsconfig.json')
  const compilerOptions = { rootDir: '.', outDir: 'out' }
  writeFileSync(
    tsconfig,
    JSON.stringify({ extends: '../../tsconfig.json', compilerOptions, include: ['*.ts'] }),
  )
  writeFileSync(
    entry,
    `interface Hidden { readonly inside: string }
    export function undocumented(hidden: Hidden): void {}
    /** Documented. */
    export interface Public { readonly member: string }
    `,
  )
  const options = join(folder, 'typedoc.json')
  writeFileSync(options, JSON.stringify({ extends: [OPTIONS], entryPoints: [entry], tsconfig }))
  const { code, output } = await typedoc(options)
  assert.notEqual(code, 0)
  for (const found of [
    /undocumented .*not have any/,
    /Public\.member .*not have any/,
    /Hidden.*not included/,
  ])
    assert.match(output, found)
})

async function typedoc(options: string) {
  const argv = [process.execPath, TYPEDOC, '--options', options, '--emit', 'none']
  const { code, stdout, stderr } = await run(argv, { deadlineMs: DEADLINE_MS })
  return { code, output: stdout + stderr }
}
