/**
 * Forged SCCRQs, as many as the generator makes, beside 200 Mbit/s of a live session: loss and round-trip times with the flood and without,
 * in turns (root, iperf3).
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DEFAULT_L2TP } from '../../core/protocol/config.ts'
import { burrow } from '../support/burrow.ts'
import { HEADQUARTERS, headquarters } from '../support/headquarters.ts'
import { ROOT } from '../support/imports.ts'
import { joinByVeth, makeNetns, type Netns } from '../support/netns.ts'
import { run as runProgram, start } from '../support/processes.ts'
import { type Figure, figure, quantile } from './measure.ts'

export const about = 'forged SCCRQs beside 200 Mbit/s of a live session (root, iperf3)'

const ROUNDS = 3
const SECONDS = 6
const MBIT_PER_S = 200
const { lns: LNS, web: WEB, password: PASSWORD } = HEADQUARTERS
const START_MS = 20_000
/** What may be half-open (`tunnel.maxHalfOpen`), and the one that is up. */
const MOST_TUNNELS = DEFAULT_L2TP.maxHalfOpen + 1
const LEAST_FORGED_PER_S = 20_000
/** A line of --trace-gc. The data plane's own heap is of another size, and collected but once in a while. */
const MAIN_COLLECTION = /Mark-Compact [\d.]+ \([\d.]+\) -> ([\d.]{4,}) /g

interface Round {
  readonly lossPercent: number
  readonly pingsMs: readonly number[]
  readonly forgedPerS: number
}

export async function run(): Promise<readonly Figure[]> {
  const undo: (() => unknown)[] = []
  const t = { after: (act: () => unknown) => void undo.unshift(act) }
  try {
    const scene = await open(t)
    // The first flood fills what may be half-open, and compiles.
    await measure(scene, true)
    const first = scene.heapsMb()
    const rounds: { readonly calm: Round; readonly flooded: Round }[] = []
    for (let round = 0; round < ROUNDS; round++)
      rounds.push({ calm: await measure(scene, false), flooded: await measure(scene, true) })
    const of = (which: 'calm' | 'flooded', take: (round: Round) => number) =>
      rounds.map(one => take(one[which]))
    const p99 = (which: 'calm' | 'flooded') => of(which, ({ pingsMs }) => quantile(pingsMs, 0.99))
    const worse = p99('flooded').map((flooded, round) => flooded - (p99('calm')[round] ?? 0))
    const forged = of('flooded', ({ forgedPerS }) => forgedPerS)
    assert.ok(quantile(forged, 0.5) >= LEAST_FORGED_PER_S, `the generator reaches ${forged} a second`)
    const lost = await scene.sessionsLost()
    const later = scene.heapsMb().slice(first.length)
    assert.ok(first.length > 0 && later.length > 0, 'each flood is long enough for a collection')
    return [
      figure('forged SCCRQs', '/s', forged),
      figure(
        'loss without',
        '%',
        of('calm', ({ lossPercent }) => lossPercent),
      ),
      figure(
        'loss with',
        '%',
        of('flooded', ({ lossPercent }) => lossPercent),
        1,
      ),
      figure('ping p99 without', 'ms', p99('calm')),
      figure('ping p99 with', 'ms', p99('flooded')),
      figure('ping p99, difference', 'ms', worse, 10),
      figure('sessions lost', 'x', [lost], 1),
      figure('tunnels at a time, by what may be half-open', 'x', [scene.mostTunnels() / MOST_TUNNELS], 1.001),
      figure(
        'heap after collections of later floods, by the first',
        'x',
        later.map(mb => mb / (first.at(-1) ?? 0)),
        1.1,
      ),
    ]
  } finally {
    for (const act of undo) await act()
  }
}

type Scene = Awaited<ReturnType<typeof open>>

async function open(t: { after: (act: () => unknown) => void }) {
  const { server, client, intranet, folder, controlSocket, serve } = headquarters(t)
  const watched = join(folder, 'most-tunnels')
  const attacker = makeNetns(t)
  joinByVeth(
    { netns: server, device: 'bad', address: '2.2.3.2/24' },
    { netns: attacker, device: 'out', address: '2.2.3.100/24' },
  )
  // Every address of 10/8 is the attacker's own.
  attacker.ip('route add local 10.0.0.0/8 dev lo', `route add ${LNS}/32 via 2.2.3.2`)
  server.ip('route add 10.0.0.0/8 via 2.2.3.100')
  const config = `listen: [${LNS}]
plugins:
  - auth-local: { users: [{ user: hb@hb, password: ${PASSWORD} }] }
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }
  - policy-zones:
  - ${join(ROOT, 'dist/test/bench/tunnel-watch.js')}: { file: ${watched} }
`
  const lns = await serve(config, { nodeFlags: ['--trace-gc'] })
  const call = burrow(
    ['connect', LNS, '--user', 'hb@hb', '--password-env', 'P', '--route', '192.168.1.0/24', '--no-ipv6'],
    {
      netns: client.name,
      env: { P: PASSWORD },
    },
  )
  t.after(() => call.end('SIGTERM', START_MS))
  await call.says(/^up: /m, START_MS)
  const iperf = start(['iperf3', '-s', '--forceflush'], { netns: intranet.name })
  t.after(() => iperf.end('SIGTERM'))
  await iperf.says(/listening/)
  return {
    client,
    attacker,
    mostTunnels: () => Number(readFileSync(watched, 'utf8')),
    /** What was left of the server's heap by each full collection so far. */
    heapsMb: () => [...lns.stdout().matchAll(MAIN_COLLECTION)].map(([, leftMb]) => Number(leftMb)),
    async sessionsLost() {
      const { stdout } = await burrow(['sessions', '--json', '--socket', controlSocket], {
        netns: server.name,
      }).ended
      return JSON.parse(stdout).length === 1 && !/^down/m.test(call.stdout()) ? 0 : 1
    },
  }
}

async function measure({ client, attacker }: Scene, isFlooded: boolean): Promise<Round> {
  const flood = isFlooded ? floodFrom(attacker) : undefined
  const words = ['-u', '-b', `${MBIT_PER_S}M`, '-l', '1300', '-t', String(SECONDS), '-J', '-c', WEB]
  const ping = ['ping', '-n', '-i', '0.02', '-w', String(SECONDS), WEB]
  const options = { netns: client.name, deadlineMs: 10_000 * SECONDS }
  const [traffic, pinged] = await Promise.all([
    runProgram(['iperf3', ...words], options),
    runProgram(ping, options),
  ])
  const forgedPerS = (await flood?.()) ?? 0
  const pingsMs = [...pinged.stdout.matchAll(/time=([\d.]+) ms/g)].map(([, ms]) => Number(ms))
  return { lossPercent: JSON.parse(traffic.stdout).end.sum.lost_percent, pingsMs, forgedPerS }
}

/** A process of its own that sends as fast as it can; ends it, and tells how many it sent in a second. An attacker has a machine of their own. */
function floodFrom(attacker: Netns): () => Promise<number> {
  const program = new URL('./flood-generator.js', import.meta.url).pathname
  const generator = start(['nice', '-n', '19', process.execPath, program, LNS], { netns: attacker.name })
  return async () => {
    const { stdout } = await generator.end('SIGTERM')
    return Number(/(\d+) a second/.exec(stdout)?.[1])
  }
}
