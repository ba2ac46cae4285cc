/** The examples of docs/config.md, each read as it stands there. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { configFolder, pluginSource } from '../support/config-folder.ts'
import { ROOT } from '../support/imports.ts'

const page = readFileSync(join(ROOT, 'docs', 'config.md'), 'utf8')
process.env.BRANCH_SECRET = 'of-the-branch'

/** What the examples name, and the page does not show. */
const NAMED = {
  'others.secret': 'of-the-others',
  'hb.password': 'admin@123',
  'otp.mjs': pluginSource('otp', '', 'z.strictObject({ digits: z.number() })'),
  'hook.ts': pluginSource('hook'),
  'node_modules/@acme/burrow-audit/package.json': '{ "exports": "./index.mjs" }',
  'node_modules/@acme/burrow-audit/index.mjs': pluginSource('audit'),
}

/** Each `burrow.yaml` of the page with the files that follow it. */
const examples = [...page.matchAll(/```yaml\n# (\S+)\n([\s\S]*?)```/g)].reduce<Record<string, string>[]>(
  (all, [, name = '', text = '']) => {
    if (name === 'burrow.yaml') all.push({})
    Object.assign(all.at(-1) ?? {}, { [name]: text })
    return all
  },
  [],
)

test('every block of YAML is an example', () => {
  assert.equal(page.match(/```yaml/g)?.length, examples.flatMap(files => Object.keys(files)).length)
  assert.equal(examples.length, 5)
})

for (const [index, files] of examples.entries()) {
  test(`example ${index + 1} of the page is a config without a fault`, async t => {
    const { plugins, warnings } = await configFolder(t, { ...NAMED, ...files }).load()
    assert.ok(plugins.length > 0)
    assert.deepEqual(warnings, [])
  })
}

test('every error code that the page names is one', async () => {
  const { ERRORS } = await import('../../core/errors.ts')
  const named = [...page.matchAll(/`([A-Z]+_[A-Z_]+)`/g)].map(([, code = '']) => code)
  assert.ok(named.length > 3)
  assert.deepEqual(
    named.filter(code => !Object.hasOwn(ERRORS, code)),
    [],
  )
})
