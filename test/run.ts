/**
 * `npm test`: lint, then every test file of the source tree (a stale file of dist is never run). Words after `--` choose the
 * files whose path holds one of them.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** The last resort against a hang; each wait within a test has its own, shorter deadline. */
const FILE_TIMEOUT_MS = 10 * 60_000

const words = process.argv.slice(2)
const files = testFiles().filter(path => words.length === 0 || words.some(word => path.includes(word)))
if (files.length === 0) end(`no test file matches ${words.join(' ')}`, 1)

if (words.length === 0) run('node_modules/.bin/biome', ['check', '--error-on-warnings', '.'])
run(process.execPath, [
  '--enable-source-maps',
  '--test',
  '--test-reporter=spec',
  '--test-concurrency=2',
  `--test-timeout=${FILE_TIMEOUT_MS}`,
  ...files.map(path => join('dist', path.replace(/\.ts$/, '.js'))),
])

function testFiles(): string[] {
  return readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.test.ts'))
    .map(name => join('test', name))
    .sort()
}

function run(command: string, args: readonly string[]): void {
  const { status, error } = spawnSync(command, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] })
  if (error !== undefined) end(`${command}: ${error.message}`, 1)
  if (status !== 0) end(`${command} ended with status ${status}`, status ?? 1)
}

function end(message: string, status: number): never {
  process.stderr.write(`burrow: ${message}\n`)
  process.exit(status)
}
