/** docs/hardening.md says what is so: its tests exist, its limits have the defaults that it names. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ServerConfig } from '../../core/runtime/server-config.ts'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const PAGE = readFileSync(join(ROOT, 'docs/hardening.md'), 'utf8')
/** The rows of each table, under the words of its head. */
const TABLES = PAGE.split('\n\n').flatMap(block => {
  const [head, rule, ...rows] = block.split('\n').map(line =>
    line
      .split('|')
      .slice(1, -1)
      .map(cell => cell.trim()),
  )
  return head !== undefined && rule?.every(cell => cell === '---') && rows.length > 0 ? [{ head, rows }] : []
})
const quoted = (text: string) => [...text.matchAll(/`([^`]+)`/g)].map(([, words = '']) => words)

test('every fault on the page has a test, and every test that the page names exists', () => {
  const faults = TABLES.filter(({ head }) => head.at(-1) === 'test').flatMap(({ rows }) => rows)
  assert.ok(faults.length > 20)
  for (const cells of faults) {
    const files = quoted(cells.at(-1) ?? '')
    assert.ok(files.length > 0, cells.join())
    for (const file of files) assert.ok(existsSync(join(ROOT, file)), file)
  }
})

test('every test in test/security is named on the page', () => {
  for (const file of readdirSync(join(ROOT, 'test/security')))
    assert.ok(PAGE.includes(`test/security/${file}`), file)
})

test('every limit that the page names is a key of the config with that default', () => {
  const config: Readonly<Record<string, unknown>> = ServerConfig.parse({ gatewayAddress: '172.16.1.1' })
  const limits = TABLES.filter(({ head }) => head[0] === 'key').flatMap(({ rows }) => rows)
  assert.ok(limits.length > 8)
  for (const [key = '', value] of limits) {
    const [section = '', name = ''] = quoted(key)[0]?.split('.') ?? []
    const options = config[section] as Readonly<Record<string, unknown>>
    assert.equal(String(options[name]), value, key)
  }
})
