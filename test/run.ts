/**
 * `npm test`: lint, what the machine lacks, then every test file of the source tree (a stale file of dist is never
 * run). Words after `--` choose the files whose path holds one of them; options go on to `node --test`.
 */
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isDeclined, kindsOf, mustHave } from './setup/peers.ts'
import { end, prepare, run, say } from './setup/prepare.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** The last resort against a hang; each wait within a test has its own, shorter deadline. */
const FILE_TIMEOUT_MS = 10 * 60_000

const words = process.argv.slice(2).filter(word => !word.startsWith('-'))
const options = process.argv.slice(2).filter(word => word.startsWith('-'))
const files = testFiles().filter(path => words.length === 0 || words.some(word => path.includes(word)))
if (files.length === 0) end(`no test file matches ${words.join(' ')}`, 1)

if (words.length === 0) await must('node_modules/.bin/biome', ['check', '--error-on-warnings', '.'])
const wanted = kindsOf(files)
const kinds = wanted.filter(kind => !isDeclined(kind))
const lack = await prepare(kinds)
if (lack !== undefined && kinds.some(mustHave))
  end(`${lack.reason}; to mend it: ${lack.remedy} (CI=true: no test may be skipped for this)`, 1)

const status = await run(process.execPath, [
  '--enable-source-maps',
  '--test',
  '--test-reporter=spec',
  `--test-concurrency=${Math.max(2, availableParallelism())}`,
  `--test-timeout=${FILE_TIMEOUT_MS}`,
  ...options,
  ...files.map(path => join('dist', path.replace(/\.ts$/, '.js'))),
])
if (kinds.length < wanted.length) say('the tests with real peers were skipped: BURROW_TEST_PEERS=skip')
if (lack !== undefined) say(`tests were skipped: ${lack.reason}; to run them: ${lack.remedy}`)
process.exit(status)

function testFiles(): string[] {
  return readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.test.ts'))
    .map(name => join('test', name))
    .sort()
}

async function must(command: string, args: readonly string[]): Promise<void> {
  const code = await run(command, args)
  if (code !== 0) end(`${command} ended with status ${code}`, code)
}
