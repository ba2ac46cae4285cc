/** The reference scenario's hosts as network namespaces of this run's own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BurrowError } from '../../errors.ts'

export type Host = 'client' | 'lns' | 'server'
const HOSTS: readonly Host[] = ['client', 'lns', 'server']

export const ADDRESS = {
  client: '2.2.2.100',
  lns: '2.2.2.2',
  lnsInside: '192.168.1.254',
  gateway: '172.16.1.1',
  server: '192.168.1.1',
  /** A second network behind the server, which no zone rule names. */
  elsewhere: '10.99.0.1',
} as const

export interface Program {
  readonly child: ChildProcess
  /** Everything written so far. */
  readonly stdout: () => string
  readonly stderr: () => string
  readonly ended: Promise<number>
}

export class World {
  readonly folder = mkdtempSync(join(tmpdir(), 'burrow-demo-'))
  readonly #programs = new Set<ChildProcess>()
  #built = false

  /** Each host with its addresses, linked client -- lns -- server. */
  build(): void {
    sweep()
    this.#built = true
    for (const host of HOSTS) ip(`netns add ${this.netns(host)}`)
    const [client, lns, server] = HOSTS.map(host => this.netns(host))
    ip(
      `link add outside netns ${client} type veth peer name outside netns ${lns}`,
      `link add inside netns ${lns} type veth peer name inside netns ${server}`,
    )
    this.ip('client', LOOPBACK, `addr add ${ADDRESS.client}/24 dev outside`, 'link set outside up')
    this.ip(
      'lns',
      LOOPBACK,
      `addr add ${ADDRESS.lns}/24 dev outside`,
      `addr add ${ADDRESS.lnsInside}/24 dev inside`,
      'link set outside up',
      'link set inside up',
      `route add 10.99.0.0/24 via ${ADDRESS.server}`,
    )
    this.ip(
      'server',
      LOOPBACK,
      `addr add ${ADDRESS.server}/24 dev inside`,
      `addr add ${ADDRESS.elsewhere}/32 dev lo`,
      'link set inside up',
      `route add default via ${ADDRESS.lnsInside}`,
    )
  }

  netns(host: Host): string {
    return `burrow-${process.pid}-${host}`
  }

  /** Runs `ip` commands inside a host. */
  ip(host: Host, ...commands: readonly string[]): void {
    batch(['-n', this.netns(host)], commands)
  }

  /** Starts a program in a host. The kernel kills it when this process ends, however that happens. */
  start(host: Host, command: readonly string[]): Program {
    const words = ['--pdeathsig', 'KILL', 'ip', 'netns', 'exec', this.netns(host), ...command]
    const child = spawn('setpriv', words, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#programs.add(child)
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', chunk => {
      stdout += chunk
    })
    child.stderr.setEncoding('utf8').on('data', chunk => {
      stderr += chunk
    })
    const ended = new Promise<number>(resolve => {
      child.on('error', () => resolve(127))
      child.on('close', (code, signal) => {
        this.#programs.delete(child)
        resolve(code ?? (signal === null ? 1 : 128))
      })
    })
    return { child, stdout: () => stdout, stderr: () => stderr, ended }
  }

  /** Runs a program to its end. */
  async run(
    host: Host,
    command: readonly string[],
  ): Promise<{ readonly code: number; readonly stdout: string }> {
    const { ended, stdout } = this.start(host, command)
    return { code: await ended, stdout: stdout() }
  }

  /** Says that nothing is left, or throws what is. */
  leftovers(): string {
    const left = [this.folder, ...HOSTS.map(host => join(NAMESPACES, this.netns(host)))].filter(existsSync)
    if (left.length > 0) throw new BurrowError('DEMO_DIFFERS', `still there: ${left.join(', ')}`)
    return 'no process, no namespace, no file is left'
  }

  /** Kills what still runs and removes the namespaces with all that is in them. Synchronous, so that an exit handler may call it. */
  remove(): void {
    for (const program of this.#programs) program.kill('SIGKILL')
    if (this.#built) for (const host of HOSTS) spawnSync('ip', ['netns', 'del', this.netns(host)])
    this.#built = false
    this.#programs.clear()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Namespaces are files here. */
const NAMESPACES = '/run/netns'
const LOOPBACK = 'link set lo up'

/** Removes what a demo left that was killed outright. */
function sweep(): void {
  for (const name of existsSync(NAMESPACES) ? readdirSync(NAMESPACES) : []) {
    const pid = /^burrow-(\d+)-(?:client|lns|server)$/.exec(name)?.[1]
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) spawnSync('ip', ['netns', 'del', name])
  }
}

const ip = (...commands: readonly string[]) => batch([], commands)

function batch(options: readonly string[], commands: readonly string[]): void {
  const { status, stderr, error } = spawnSync('ip', [...options, '-batch', '-'], {
    input: commands.join('\n'),
    encoding: 'utf8',
  })
  if (status === 0) return
  const said = error?.message ?? stderr.trim()
  throw new BurrowError('NETWORK_SETUP', `ip -batch: ${said}`)
}
