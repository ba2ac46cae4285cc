/**
 * Network namespaces for tests: unique names, gone at every exit. `skipWithoutNetns` is the reason to skip where
 * they cannot be made.
 */
import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, openSync, readdirSync } from 'node:fs'
import koffi from 'koffi'
import { skipWithout } from '../setup/peers.ts'

const FOLDER = '/run/netns'
const PREFIX = 'bwt'
const CLONE_NEWNET = 0x40000000
const setns = koffi.load('libc.so.6').func('int setns(int fd, int kind)')

export const skipWithoutNetns: string | false = skipWithout('network')

export interface Netns {
  readonly name: string
  /** Runs `ip -batch -` inside; one command a line. */
  ip(...commands: readonly string[]): void
  /** Runs a program inside and returns its output; throws when it fails. */
  exec(program: string, ...args: readonly string[]): string
  spawn(program: string, args: readonly string[], options?: SpawnOptions): ChildProcess
  /**
   * Runs `act` with this thread inside, until a promise that it returns is settled: sockets, TUN, child processes and
   * /proc/sys that are opened meanwhile belong to this namespace for good. Not to be nested or run concurrently.
   */
  inside<T>(act: () => T): T
  remove(): void
}

const live = new Map<string, Netns>()

/** Makes a namespace with `lo` up. `t.after` removes it, and so do the process's exit and its signals. */
export function makeNetns(t: { after(remove: () => void): void }): Netns {
  if (live.size === 0) {
    watchExits()
    sweep()
  }
  const name = `${PREFIX}-${process.pid}-${randomBytes(3).toString('hex')}`
  execFileSync('ip', ['netns', 'add', name])
  const netns: Netns = {
    name,
    ip: (...commands) => {
      execFileSync('ip', ['-netns', name, '-batch', '-'], { input: `${commands.join('\n')}\n` })
    },
    exec: (program, ...args) =>
      execFileSync('ip', ['netns', 'exec', name, program, ...args], { encoding: 'utf8' }),
    spawn: (program, args, options = {}) => spawn('ip', ['netns', 'exec', name, program, ...args], options),
    inside: act => inside(name, act),
    remove: () => {
      if (live.delete(name)) execFileSync('ip', ['netns', 'del', name])
    },
  }
  live.set(name, netns)
  t.after(() => netns.remove())
  netns.ip('link set lo up')
  return netns
}

/** Joins two namespaces by a veth pair; each end is named and addressed (`10.0.0.1/24`). */
export function joinByVeth(
  a: { readonly netns: Netns; readonly device: string; readonly address: string },
  b: { readonly netns: Netns; readonly device: string; readonly address: string },
): void {
  a.netns.ip(`link add ${a.device} type veth peer name ${b.device} netns ${b.netns.name}`)
  for (const { netns, device, address } of [a, b])
    netns.ip(`addr add ${address} dev ${device}`, `link set ${device} up`)
}

function inside<T>(name: string, act: () => T): T {
  const home = openSync('/proc/thread-self/ns/net', 'r')
  const leave = () => {
    enter(home)
    closeSync(home)
  }
  const there = openSync(`${FOLDER}/${name}`, 'r')
  enter(there)
  closeSync(there)
  let result: T
  try {
    result = act()
  } catch (error) {
    leave()
    throw error
  }
  if (!(result instanceof Promise)) leave()
  else result.then(leave, leave)
  return result
}

function enter(fd: number): void {
  if (setns(fd, CLONE_NEWNET) !== 0) throw new Error(`setns failed with errno ${koffi.errno()}`)
}

function removeAll(): void {
  for (const netns of live.values()) netns.remove()
}

let watching = false
function watchExits(): void {
  if (watching) return
  watching = true
  process.on('exit', removeAll)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      removeAll()
      process.kill(process.pid, signal)
    })
  }
}

/** Removes what test processes left that were killed. */
function sweep(): void {
  const names = existsSync(FOLDER) ? readdirSync(FOLDER) : []
  for (const name of names) {
    const pid = new RegExp(`^${PREFIX}-(\\d+)-`).exec(name)?.[1]
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) execFileSync('ip', ['netns', 'del', name])
  }
}
