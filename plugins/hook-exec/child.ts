/** A process of a program, in a process group of its own, so that what it starts ends with it. */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Clock, TimerHandle } from 'burrow'
import type { Program } from './program.ts'

export interface ChildParts {
  readonly program: Program
  readonly clock: Clock
  readonly onStdout: (chunk: Buffer) => void
  readonly onStderr: (chunk: Buffer) => void
}

export interface End {
  /** It ended by itself, with status 0. */
  readonly well: boolean
  /** For people: `status 1`, `SIGKILL`, `ENOENT`. */
  readonly how: string
}

/** Between SIGTERM and SIGKILL. */
const KILL_AFTER_MS = 1000
/** What has left the group may keep the pipes open; so long they are read on. */
const LINGER_MS = 500

export class Child {
  /** Never rejects. When it resolves, nothing of its group is left. */
  readonly ended: Promise<End>
  readonly #clock: Clock
  readonly #process: ChildProcess | undefined
  #exited = false
  #ending = false
  #timer: TimerHandle | undefined

  constructor({ program, clock, onStdout, onStderr }: ChildParts) {
    this.#clock = clock
    try {
      const { file, args, cwd, env } = program
      this.#process = spawn(file, args, { cwd, env, detached: true, stdio: 'pipe', windowsHide: true })
      this.ended = this.#watch(this.#process)
    } catch (error) {
      this.#exited = true
      this.ended = Promise.resolve(unstarted(error as NodeJS.ErrnoException))
    }
    this.#process?.stdout?.on('data', onStdout)
    this.#process?.stderr?.on('data', onStderr)
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  write(text: string): void {
    this.#process?.stdin?.write(text)
  }

  /** Nothing more will be written. */
  finish(text: string): void {
    this.#process?.stdin?.end(text)
  }

  /** SIGTERM to the whole group, then SIGKILL. */
  end(): void {
    if (this.#ending || this.#exited) return
    this.#ending = true
    this.#process?.stdin?.end()
    this.#signal('SIGTERM')
    this.#timer = this.#clock.setTimer(KILL_AFTER_MS, () => this.#signal('SIGKILL'))
  }

  #watch(child: ChildProcess): Promise<End> {
    // It may end, or close its input, before it has read everything.
    child.stdin?.on('error', () => {})
    child.on('exit', () => {
      this.#exited = true
      this.#timer?.cancel()
      this.#signal('SIGKILL')
      this.#timer = this.#clock.setTimer(LINGER_MS, () => {
        child.stdout?.destroy()
        child.stderr?.destroy()
      })
    })
    return new Promise(resolve => {
      const done = (end: End) => {
        this.#exited = true
        this.#timer?.cancel()
        resolve(end)
      }
      child.on('error', error => {
        if (child.pid === undefined) done(unstarted(error))
      })
      child.on('close', (code, signal) =>
        done({ well: code === 0, how: code === null ? String(signal) : `status ${code}` }),
      )
    })
  }

  #signal(signal: NodeJS.Signals): void {
    const pid = this.#process?.pid
    if (pid === undefined) return
    try {
      process.kill(-pid, signal)
    } catch {
      // The group is gone, or belongs to another user by now.
    }
  }
}

function unstarted({ code, message }: NodeJS.ErrnoException): End {
  return { well: false, how: code ?? message }
}
