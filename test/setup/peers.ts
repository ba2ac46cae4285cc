/** What the tests need of the machine, and what to do where it is not there. */
import { accessSync, constants, existsSync } from 'node:fs'
import { join } from 'node:path'

export interface Need {
  readonly package: string
  /** Found on the PATH when it is there, from whatever source. */
  readonly program: string
  readonly why: string
  /** The test files that need it: their paths start so. */
  readonly by: string
}

export const NEEDS: readonly Need[] = [
  { package: 'iproute2', program: 'ip', why: 'network namespaces and devices', by: 'test/' },
  { package: 'iputils-ping', program: 'ping', why: 'the first packet through a session', by: 'test/' },
  {
    package: 'user-mode-linux',
    program: 'linux.uml',
    why: 'a Linux kernel with PPP and L2TP that runs as a process',
    by: 'test/interop/',
  },
  { package: 'kmod', program: 'modprobe', why: 'loads the modules of that kernel', by: 'test/interop/' },
  { package: 'socat', program: 'socat', why: 'carries commands into it', by: 'test/interop/' },
  {
    package: 'xl2tpd',
    program: 'xl2tpd',
    why: 'a real L2TP client and a real LNS to talk with',
    by: 'test/interop/',
  },
  { package: 'ppp', program: 'pppd', why: 'the PPP of that client and LNS', by: 'test/interop/' },
]

/** Why real peers cannot be had, and the command that helps. */
export interface Lack {
  readonly reason: string
  readonly remedy: string
  /** Packages to install; empty when installing would not help. */
  readonly packages: readonly string[]
}

/** What is missing for tests of these paths; undefined when all is there. */
export function lackFor(paths: readonly string[]): Lack | undefined {
  const needs = NEEDS.filter(({ by }) => paths.some(path => path.startsWith(by)))
  if (needs.length === 0) return undefined
  const missing = needs.filter(({ program }) => !onPath(program)).map(need => need.package)
  const install = `apt-get install --no-install-recommends ${missing.join(' ')}`
  if (missing.length > 0)
    return { reason: `not installed: ${missing.join(', ')}`, remedy: install, packages: missing }
  if (process.geteuid?.() !== 0) return { reason: 'not root', remedy: 'run the tests as root', packages: [] }
  if (!existsSync('/dev/net/tun')) return { reason: 'no /dev/net/tun', remedy: 'modprobe tun', packages: [] }
  return undefined
}

/** `BURROW_TEST_PEERS=skip` leaves the real peers out, in CI as well: somebody asked for it. */
export const declined = process.env.BURROW_TEST_PEERS === 'skip'

/** In CI a peer that is missing is a failure, never a skipped test. */
export const mustHavePeers = process.env.CI === 'true' && !declined

/** The `skip` option of a test with real peers: in CI it runs, and its lab says what is missing. */
export function skipWithoutPeers(): string | false {
  if (declined) return 'declined by BURROW_TEST_PEERS=skip'
  const lack = lackFor(['test/interop/'])
  return lack === undefined || mustHavePeers ? false : `${lack.reason}: ${lack.remedy}`
}

function onPath(program: string): boolean {
  return (process.env.PATH ?? '').split(':').some(folder => isExecutable(join(folder, program)))
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
