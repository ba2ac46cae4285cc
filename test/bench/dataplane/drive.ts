/** What is driven through one variant of a scene, and what it cost meanwhile. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { run, start } from '../../support/processes.ts'
import { countersOf } from '../../support/snmp.ts'
import { quantile } from '../measure.ts'
import type { Rung } from './client.ts'
import { type FloodShape, PORTS } from './peers.ts'
import type { Scene, Variant } from './scene.ts'

export interface Sample {
  readonly value: number
  /** CPU time of the LNS in the time that passed, all of its threads; absent of the bare line. */
  readonly cores?: number
  /** The same of who stands for the client. */
  readonly clientCores: number
  /** Of the whole machine. */
  readonly busy: number
  /** The client sent all that it could, and all of it came through: there was nothing left to measure. */
  readonly clientIsLimit: boolean
}

export type Drive = (scene: Scene, variant: Variant, seconds: number) => Promise<Sample>

const TICKS_A_SECOND = 100
/** TCP opens its window, queues fill. */
const WARM_UP_MS = 1000
const FLOOD_WARM_UP_MS = 500
const FULL_CORE = 0.9
const PINGS = 60
const OTHERS_MS = 1000
/** Not that of the sink. */
const FLOOD_PORT = 10

export const tcp =
  (direction: 'up' | 'down', rung: Rung): Drive =>
  async (scene, variant, seconds) => {
    const host = variant.inside[rung]
    const reverse = direction === 'down' ? ['-R'] : []
    const words = [
      'iperf3',
      '-J',
      '-c',
      host,
      '-O',
      String(WARM_UP_MS / 1000),
      '-t',
      String(seconds),
      ...reverse,
    ]
    const deadlineMs = (seconds + 30) * 1000
    // One for each run: a server that serves the next may not have done with the one before.
    const server = start(['iperf3', '-s', '-1', '--forceflush'], { netns: scene.insideNetns.name })
    await server.says(/listening/)
    const ended = run(words, { netns: scene.client.name, deadlineMs })
    const spent = await spending(scene.clientAgent.pid, variant, WARM_UP_MS, seconds * 1000)
    const { stdout, stderr } = await ended
    await server.end('SIGKILL')
    const report = JSON.parse(stdout || '{}') as {
      end?: { sum_received?: { bits_per_second: number } }
      error?: string
    }
    const bits = report.end?.sum_received?.bits_per_second
    assert.ok(bits !== undefined, `iperf3 through ${variant.name}: ${report.error ?? stderr}`)
    const lns = spent.cores ?? 0
    return { ...spent, value: bits / 1e9, clientIsLimit: spent.clientCores > FULL_CORE && lns < FULL_CORE }
  }

/** In thousands of packets a second, as they come out. */
export const flood =
  (direction: 'up' | 'down', shape: FloodShape): Drive =>
  async (scene, variant, seconds) => {
    const { peers, inside } = scene
    const durationMs = seconds * 1000
    const send = senderOf(scene, direction, variant, shape)
    const [sender, receiver] = direction === 'up' ? [peers, inside] : [inside, peers]
    const taken = () => countersOf(`/proc/${receiver.pid}`).get('Udp.InErrors') ?? 0
    await send(FLOOD_WARM_UP_MS / 2)
    const totalMs = FLOOD_WARM_UP_MS + durationMs + FLOOD_WARM_UP_MS / 2
    const sent = send(totalMs)
    let before = 0
    let after = 0
    const spent = await spending(
      sender.pid,
      variant,
      FLOOD_WARM_UP_MS,
      durationMs,
      () => (before = taken()),
      () => (after = taken()),
    )
    const sentPerMs = (await sent) / totalMs
    const perMs = (after - before) / spent.ms
    return { ...spent, value: perMs, clientIsLimit: variant.pid !== undefined && sentPerMs < 1.05 * perMs }
  }

function senderOf(scene: Scene, direction: 'up' | 'down', variant: Variant, shape: FloodShape) {
  const { peers, inside } = scene
  const here = variant.inside.offloads
  const isBare = variant.pid === undefined
  if (direction === 'down') {
    const port = isBare ? PORTS.inside : PORTS.session
    return (ms: number) =>
      inside.call('floodPlain', { address: here, port: FLOOD_PORT }, variant.targets, port, shape, ms)
  }
  const [own = ''] = variant.targets
  return (ms: number) =>
    isBare
      ? peers.call('floodPlain', { address: own, port: FLOOD_PORT }, [here], PORTS.inside, shape, ms)
      : peers.call('flood', variant.name, here, shape, ms)
}

/** The median round trip of an idle line, in milliseconds. */
export const ping: Drive = async (scene, variant) => {
  const words = ['ping', '-n', '-c', String(PINGS), '-i', '0.02', variant.inside.offloads]
  const ended = run(words, { netns: scene.client.name })
  const spent = await spending(scene.clientAgent.pid, variant, 0, PINGS * 20)
  const { stdout, stderr } = await ended
  const times = [...stdout.matchAll(/time=([\d.]+) ms/g)].map(([, ms]) => Number(ms))
  assert.ok(times.length > PINGS / 2, `ping through ${variant.name}: ${stdout}${stderr}`)
  return { ...spent, value: quantile(times, 0.5), clientIsLimit: false }
}

/** What other programs take of the machine, in cores, while nothing is driven. */
export async function otherLoad(): Promise<number> {
  const [before, at] = [machineS(), performance.now()]
  await sleep(OTHERS_MS)
  return (1000 * (machineS() - before)) / (performance.now() - at)
}

/** Waits, and then looks what is spent in so long. */
async function spending(
  clientPid: number,
  { pid }: Variant,
  waitMs: number,
  durationMs: number,
  onStart = () => {},
  onEnd = () => {},
) {
  await sleep(waitMs)
  const look = () => ({
    at: performance.now(),
    lns: pid === undefined ? undefined : cpuS(pid),
    client: cpuS(clientPid),
    machine: machineS(),
  })
  onStart()
  const before = look()
  await sleep(durationMs)
  onEnd()
  const after = look()
  const ms = after.at - before.at
  const cores = (used: number) => (1000 * used) / ms
  return {
    ms,
    ...(before.lns === undefined || after.lns === undefined ? {} : { cores: cores(after.lns - before.lns) }),
    clientCores: cores(after.client - before.client),
    busy: cores(after.machine - before.machine),
  }
}

/** Of all threads of a process. */
function cpuS(pid: number): number {
  const [, rest = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')
  const fields = rest.split(' ').map(Number)
  return ((fields[11] ?? 0) + (fields[12] ?? 0)) / TICKS_A_SECOND
}

function machineS(): number {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n')
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = line
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number)
  return (user + nice + system + irq + softirq) / TICKS_A_SECOND
}
