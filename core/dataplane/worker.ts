/**
 * The thread that forwards: one synchronous loop over poll(2), which never returns to an event loop. Commands are fetched
 * when the eventfd says so; answers and events go out by postMessage.
 */
import { receiveMessageOnPort, workerData } from 'node:worker_threads'
import { BurrowError } from '../errors.ts'
import type { DataPlaneEvent } from './data-plane.ts'
import { Engine } from './engine.ts'
import { libc, NativeMemory } from './tun/libc.ts'
import { portsOf } from './tun/rungs.ts'
import type { UpKind } from './up-budget.ts'
import {
  EVENT_CLASS,
  eventClass,
  type FromWorker,
  MOST_WAITING,
  type ToWorker,
  type WorkerData,
} from './worker-messages.ts'

const POLLIN = 0x001
const POLLERR = 0x008
const POLLNVAL = 0x020
/** struct pollfd. */
const POLLFD = { bytes: 8, events: 4, returned: 6 } as const
/** A thread that waits for ever could not be terminated. */
const LONGEST_WAIT_MS = 250

class Outbox {
  readonly #waiting: Record<keyof typeof EVENT_CLASS, DataPlaneEvent[]> = { control: [], other: [] }
  readonly #posted = { control: 0, other: 0 }
  readonly #taken: Int32Array
  readonly #post: (message: FromWorker) => void

  constructor(taken: SharedArrayBuffer, post: (message: FromWorker) => void) {
    this.#taken = new Int32Array(taken)
    this.#post = post
  }

  add(event: DataPlaneEvent, kind: UpKind): boolean {
    const name = eventClass(kind)
    // Both counts wrap at 2^32; their difference does not.
    if (((this.#posted[name] - Atomics.load(this.#taken, EVENT_CLASS[name])) | 0) >= MOST_WAITING[name])
      return false
    this.#posted[name]++
    this.#waiting[name].push(event)
    return true
  }

  flush(): void {
    const { control, other } = this.#waiting
    if (control.length + other.length === 0) return
    this.#post({ kind: 'events', events: [...control, ...other], control: control.length })
    this.#waiting.control = []
    this.#waiting.other = []
  }
}

/** What is polled, and what to do when it can be read. */
class PollSet {
  readonly #memory: NativeMemory
  readonly #actions: readonly (() => void)[]

  constructor(entries: readonly { readonly fd: number; readonly act: () => void }[]) {
    this.#memory = new NativeMemory(entries.length * POLLFD.bytes)
    this.#actions = entries.map(({ act }) => act)
    for (const [i, { fd }] of entries.entries()) {
      this.#memory.view.setInt32(i * POLLFD.bytes, fd, true)
      this.#memory.view.setInt16(i * POLLFD.bytes + POLLFD.events, POLLIN, true)
    }
  }

  wait(timeoutMs: number): void {
    libc.poll(this.#memory.address, this.#actions.length, timeoutMs)
  }

  act(): void {
    for (let i = 0; i < this.#actions.length; i++) {
      const returned = this.#memory.view.getInt16(i * POLLFD.bytes + POLLFD.returned, true)
      if ((returned & POLLNVAL) !== 0) throw new BurrowError('DATA_PLANE_DOWN', `descriptor ${i} was closed`)
      if ((returned & (POLLIN | POLLERR)) !== 0) this.#actions[i]?.()
    }
  }
}

run(workerData)

function run({ port, taken, heartbeat, sockets, tunFd, rung, wakeFd, ...shared }: WorkerData): void {
  const beats = new Int32Array(heartbeat)
  const beat = () => void Atomics.add(beats, 0, 1)
  const post = (message: FromWorker) => port.postMessage(message)
  const outbox = new Outbox(taken, post)
  const { sockets: udp, tun, makeBatch } = portsOf(rung, sockets, tunFd)
  const engine = new Engine({
    ...shared,
    sockets: udp,
    tun,
    makeBatch,
    up: (event, kind) => outbox.add(event, kind),
  })
  const { forwarder } = engine
  let running = true
  // A worker before this one may have failed in a flood.
  for (const socket of udp) socket.shedOpenings(1)

  const wakeValue = new NativeMemory(8)
  const takeMessages = () => {
    libc.read(wakeFd, wakeValue.address, wakeValue.bytes.length)
    for (let got = receiveMessageOnPort(port); got !== undefined; got = receiveMessageOnPort(port)) {
      const message: ToWorker = got.message
      if (message.kind === 'stop') running = false
      else post(perform(engine, message))
      beat()
    }
  }

  const polled = new PollSet([
    { fd: wakeFd, act: takeMessages },
    ...udp.map(socket => ({ fd: socket.fd, act: () => void forwarder.fromNetwork(socket) })),
    ...(tun === undefined ? [] : [{ fd: tun.fd, act: () => void forwarder.fromTun(tun) }]),
  ])

  // Workers that follow one another need one clock: what is known of conversations tells when they were seen.
  const [seconds, nanoseconds] = process.hrtime()
  const originMs = seconds * 1000 + nanoseconds / 1e6 - performance.now()
  forwarder.tick(originMs + performance.now())
  takeMessages()
  post({ kind: 'up' })
  try {
    while (running) {
      beat()
      polled.wait(LONGEST_WAIT_MS)
      forwarder.tick(originMs + performance.now())
      polled.act()
      outbox.flush()
    }
  } finally {
    // What was handed up before a failure is not lost with it.
    outbox.flush()
  }
  port.close()
}

/** A command that fails is refused, whatever is wrong with it: the other flows go on. */
function perform(engine: Engine, { seq, command }: Extract<ToWorker, { kind: 'command' }>): FromWorker {
  try {
    return { kind: 'done', seq, counters: engine.apply(command) }
  } catch (error) {
    const code = error instanceof BurrowError ? error.code : 'INTERNAL'
    return { kind: 'refused', seq, code, message: error instanceof Error ? error.message : String(error) }
  }
}
