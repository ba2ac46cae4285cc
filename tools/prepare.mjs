// Makes a fresh clone runnable: installs what package-lock.json names if it is not there, then builds.
// `--afresh` empties dist before, so that what is packed holds nothing of an older source.
// Plain JavaScript, because it runs before there is a compiler.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const lock = readFileSync(join(root, 'package-lock.json'), 'utf8')
const stamp = join(root, 'node_modules', '.burrow-lock')

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  fail(`Burrow needs Node 20.19 or later; this is ${process.versions.node}.`)
}
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
  say('installing the npm packages of package-lock.json (no install scripts are run)')
  // Builds need the compiler whatever NODE_ENV says, and nothing we use needs an install script.
  run('npm', ['ci', '--include=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'])
  writeFileSync(stamp, lock)
}
if (process.argv.includes('--afresh')) rmSync(join(root, 'dist'), { recursive: true, force: true })
run(process.execPath, [join(root, 'node_modules', 'typescript-7', 'bin', 'tsc'), '-p', 'tsconfig.json'])

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] })
  if (error) fail(`${command} could not be started: ${error.message}`)
  if (status !== 0) fail(`${command} ${args.join(' ')} ended with status ${status}`)
}

function say(text) {
  process.stderr.write(`burrow: ${text}\n`)
}

function fail(text) {
  say(text)
  process.exit(1)
}
