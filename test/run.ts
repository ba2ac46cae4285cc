/**
 * `npm test`: lint, what the machine lacks, then every test file of the source tree (a stale file of dist is never
 * run). Words after `--` choose the files whose path holds one of them; options go on to `node --test`.
 */
import { type SpawnOptions, spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  declined,
  isDeclined,
  type Kind,
  kindsOf,
  type Lack,
  lackOf,
  mustHave,
  NEEDS,
} from './setup/peers.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** The last resort against a hang; each wait within a test has its own, shorter deadline. */
const FILE_TIMEOUT_MS = 10 * 60_000

// Debian keeps `ip` and daemons where not everybody's PATH leads.
process.env.PATH = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`

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

/** Installs what the tests need and the machine lacks, where that is possible; what is still missing afterwards. */
async function prepare(kinds: readonly Kind[]): Promise<Lack | undefined> {
  const found = lackOf(kinds)
  if (found === undefined || found.packages.length === 0 || declined) return found
  if (!existsSync('/etc/debian_version')) return { ...found, remedy: `on Debian: ${found.remedy}` }
  if (process.geteuid?.() !== 0) return { ...found, remedy: `as root: ${found.remedy}` }
  say('installing Debian packages that the tests need (BURROW_TEST_PEERS=skip: none); no daemon is started')
  for (const need of NEEDS.filter(need => found.packages.includes(need.package)))
    say(`  ${need.package.padEnd(16)} ${need.why}`)
  const code = await run('test/setup/install.sh', found.packages)
  if (code !== 0) say(`installing failed with status ${code}`)
  return lackOf(kinds)
}

async function must(command: string, args: readonly string[]): Promise<void> {
  const code = await run(command, args)
  if (code !== 0) end(`${command} ended with status ${code}`, code)
}

/** Runs a program to its end, passing on the signals that end this one. */
function run(command: string, args: readonly string[]): Promise<number> {
  const settings: SpawnOptions = { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] }
  return new Promise(resolve => {
    const child = spawn(command, args, settings)
    const pass = (signal: NodeJS.Signals) => child.kill(signal)
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, pass)
    child.on('error', error => end(`${command}: ${error.message}`, 1))
    child.on('close', code => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, pass)
      resolve(code ?? 1)
    })
  })
}

function say(text: string): void {
  process.stderr.write(`burrow: ${text}\n`)
}

function end(message: string, code: number): never {
  say(message)
  process.exit(code)
}
