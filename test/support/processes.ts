/**
 * Processes of tests: started in a network namespace if one is named, their output kept, ended by their own id, and
 * dead with the test process however that ends (the kernel kills them, so a SIGKILL of the test leaves nothing). One
 * that nobody waits for does not keep the test process alive.
 */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { constants } from 'node:os'
import { until } from './until.ts'

const DEFAULT_DEADLINE_MS = 10_000

export interface ProgramOptions {
  /** Name of the network namespace; the test's own when it is not given. */
  readonly netns?: string | undefined
  /** Added to the environment of the test. */
  readonly env?: NodeJS.ProcessEnv | undefined
  readonly cwd?: string | undefined
  /** What it reads on stdin, which then ends; nothing by default. */
  readonly input?: string | undefined
}

export interface Exit {
  /** 128 and more: ended by a signal, as a shell counts. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface Program {
  readonly pid: number
  /** What it has written so far. */
  readonly stdout: () => string
  readonly stderr: () => string
  readonly running: () => boolean
  readonly ended: Promise<Exit>
  /** Waits until its output, stdout then stderr, matches; fails with that output when the deadline passes or it ends before. */
  says(pattern: RegExp, deadlineMs?: number): Promise<RegExpMatchArray>
  /** Sends a signal, and waits for the end. */
  end(signal?: NodeJS.Signals, deadlineMs?: number): Promise<Exit>
}

export function start(command: readonly string[], options: ProgramOptions = {}): Program {
  const words = [
    ...['setpriv', '--pdeathsig', 'KILL'],
    ...(options.netns === undefined ? [] : ['ip', 'netns', 'exec', options.netns]),
    ...command,
  ]
  const child = spawn(words[0] ?? '', words.slice(1), {
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    cwd: options.cwd,
  })
  let stdout = ''
  let stderr = ''
  child.stdout?.setEncoding('utf8').on('data', chunk => {
    stdout += chunk
  })
  child.stderr?.setEncoding('utf8').on('data', chunk => {
    stderr += chunk
  })
  // It may end before it has read everything.
  child.stdin?.on('error', () => {}).end(options.input)
  const handles = [child, child.stdout as Socket, child.stderr as Socket]
  for (const handle of handles) handle.unref()
  let exit: Exit | undefined
  const ended = new Promise<Exit>(resolve => {
    const done = (code: number) => {
      exit = { code, stdout, stderr }
      resolve(exit)
    }
    child.on('error', error => {
      stderr += error.message
      done(127)
    })
    child.on('close', (code, signal) => done(code ?? (signal === null ? 1 : 128 + constants.signals[signal])))
  })
  const program: Program = {
    pid: child.pid ?? 0,
    stdout: () => stdout,
    stderr: () => stderr,
    running: () => exit === undefined,
    get ended() {
      for (const handle of handles) handle.ref()
      return ended
    },
    says: (pattern, deadlineMs) =>
      until(
        `${command.join(' ')} to say ${pattern}`,
        () => {
          const said = `${stdout}\n${stderr}`
          const match = said.match(pattern)
          if (match === null && exit !== undefined) throw new Error(`it ended and said:\n${said}`)
          return match ?? undefined
        },
        deadlineMs,
        () => `\n${stdout}\n${stderr}`,
      ),
    async end(signal = 'SIGTERM', deadlineMs = DEFAULT_DEADLINE_MS) {
      if (exit === undefined) child.kill(signal)
      return until(
        `the end of ${command.join(' ')} after ${signal}`,
        () => exit,
        deadlineMs,
        () => `\n${stdout}\n${stderr}`,
      )
    },
  }
  return program
}

/** Runs a program to its end; at the deadline it is killed, which its code shows. */
export async function run(
  command: readonly string[],
  options: ProgramOptions & { readonly deadlineMs?: number } = {},
): Promise<Exit> {
  const program = start(command, options)
  const overdue = setTimeout(() => program.end('SIGKILL'), options.deadlineMs ?? DEFAULT_DEADLINE_MS)
  const exit = await program.ended
  clearTimeout(overdue)
  return exit
}

/** Whether a process, ours or not, still runs; one that nobody has reaped yet does not. */
export function isAlive(pid: number): boolean {
  try {
    const [, state] = /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
    return state !== 'Z'
  } catch {
    return false
  }
}
