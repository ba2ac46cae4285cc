/** Installs what tests need and the machine lacks, where that is possible; runs programs to their end for who prepares. */
import { type SpawnOptions, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { declined, type Kind, type Lack, lackOf, NEEDS } from './peers.ts'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

// Debian keeps `ip` and daemons where not everybody's PATH leads.
process.env.PATH = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`

/** What is still missing afterwards. */
export async function prepare(kinds: readonly Kind[]): Promise<Lack | undefined> {
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

/** Runs a program to its end, passing on the signals that end this one. */
export function run(command: string, args: readonly string[]): Promise<number> {
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

export function say(text: string): void {
  process.stderr.write(`burrow: ${text}\n`)
}

export function end(message: string, code: number): never {
  say(message)
  process.exit(code)
}
