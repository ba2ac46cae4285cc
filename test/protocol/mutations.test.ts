/**
 * Real datagrams, bent at random, against an LNS with live sessions: nothing throws, nothing grows, sessions that they are
 * not meant for notice nothing, and everything of them goes. BURROW_MUTATION_SEEDS
 * sets how many runs; BURROW_SEED does one.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Output, SessionInfo, TunnelInfo } from '../../core/protocol/outputs.ts'
import { fromJson } from '../../core/protocol/snapshot.ts'
import type { EndpointState } from '../../core/protocol/state.ts'
import { SeededRandom } from '../../core/testing/random.ts'
import { decodeControl } from '../../core/wire/control-message.ts'
import { encodeDataDatagram } from '../../core/wire/l2tp-header.ts'
import { CLIENTS } from '../packets/l2tp/clients.ts'
import { octets } from '../packets/l2tp/golden.ts'
import { HIDDEN, HIDDEN_CLAIMS_TOO_MUCH } from '../packets/l2tp/hidden.ts'
import { RFC } from '../packets/l2tp/rfc.ts'
import { XL2TPD } from '../packets/l2tp/xl2tpd.ts'
import { REFERENCE_DIAL, REFERENCE_HANG_UP } from '../packets/l2tp-reference.ts'
import { GOLDEN_FRAMES } from '../packets/ppp/golden.ts'
import { Pair, type Side } from '../support/pair.ts'

const SEEDS = Number(process.env.BURROW_MUTATION_SEEDS ?? 150)
const ONLY = process.env.BURROW_SEED
const seeds = ONLY === undefined ? Array.from({ length: SEEDS }, (_, seed) => seed) : [Number(ONLY)]

const CAPTURES = fileURLToPath(new URL('../../../test/packets/captures', import.meta.url))
const CAPTURED: readonly string[] = readdirSync(CAPTURES)
  .filter(name => name.endsWith('.json'))
  .flatMap(name => JSON.parse(readFileSync(join(CAPTURES, name), 'utf8')).packets)
  .map(({ hex }: { hex: string }) => hex)
const FRAME_HEADER = { tunnelId: 0, sessionId: 0, length: true, priority: false }
const GOLDEN: readonly Uint8Array[] = [
  ...[...REFERENCE_DIAL, ...REFERENCE_HANG_UP].map(({ hex }) => octets(hex)),
  ...[...RFC, ...XL2TPD, ...CLIENTS, ...HIDDEN].map(({ hex }) => octets(hex)),
  ...CAPTURED.map(octets),
  ...GOLDEN_FRAMES.map(({ hex }) => encodeDataDatagram(FRAME_HEADER, octets(hex))),
  HIDDEN_CLAIMS_TOO_MUCH,
]
const OPENINGS = GOLDEN.filter(datagram => {
  const message = decodeControl(datagram)
  return message.ok && message.message?.type === 'SCCRQ'
})
/** What the hidden AVPs among them are hidden with. */
const SECRETS = [{ name: 'golden', secret: 'tunnel-secret' }]

/** The tunnel that a datagram is to reach, and the sequence numbers that make it timely. */
interface Aim {
  readonly tunnelId: number
  readonly sessionId: number
  readonly ns: number
  readonly nr: number
}

const NOBODY: Aim = { tunnelId: 0, sessionId: 0, ns: 0, nr: 0 }

/** A golden datagram that mostly arrives where it is aimed, and whose content is bent or not. */
function mutated(random: SeededRandom, aim: Aim, corpus = GOLDEN): Uint8Array {
  let datagram = (corpus[random.uint16() % corpus.length] ?? new Uint8Array()).slice()
  const set = (at: number, value: number) => {
    if (at + 2 <= datagram.length) new DataView(datagram.buffer).setUint16(at, value)
  }
  const flags = datagram[0] ?? 0
  const isControl = (flags & 0x80) !== 0
  const ids = (flags & 0x40) !== 0 ? 4 : 2
  if (random.fraction() < 0.8) set(ids, aim.tunnelId)
  if (random.fraction() < 0.6) set(ids + 2, aim.sessionId)
  if (isControl && random.fraction() < 0.8) {
    set(8, aim.ns + (random.fraction() < 0.7 ? 0 : (random.uint16() % 20) - 2))
    set(10, aim.nr + (random.fraction() < 0.7 ? 0 : (random.uint16() % 20) - 10))
  }
  for (let changes = random.uint16() % 4; changes > 0; changes--) {
    const at = random.uint16() % datagram.length
    datagram[at] = random.uint16() & 0xff
  }
  const cut = random.fraction()
  if (cut < 0.1) datagram = datagram.slice(0, random.uint16() % (datagram.length + 1))
  else if (cut < 0.2) datagram = new Uint8Array(Buffer.concat([datagram, random.bytes(random.uint16() % 40)]))
  return datagram
}

function stateOf({ endpoint }: Side): EndpointState {
  return fromJson<{ state: EndpointState }>(endpoint.snapshot()).state
}

/** Where a tunnel, and a call of it, is reached just now; what is gone is reached as before. */
function aimAt(side: Side, { key, localTunnelId }: TunnelInfo, session?: SessionInfo): Aim {
  const held = stateOf(side).tunnels.get(key)
  const [first = 0] = held?.sessions.keys() ?? []
  const sessionId = session?.localSessionId ?? first
  return {
    tunnelId: localTunnelId,
    sessionId: held?.sessions.has(sessionId) ? sessionId : first,
    ns: held?.channel.nr ?? 0,
    nr: held?.channel.sentEnd ?? 0,
  }
}

/** Everything that a handful of peers made the LNS keep. */
function assertBounded(side: Side): void {
  const { tunnels, byPeer, sources, challenges, asks, flows } = stateOf(side)
  const sessions = [...tunnels.values()].reduce((sum, tunnel) => sum + tunnel.sessions.size, 0)
  const { maxHalfOpenPerSource, maxSessionsPerTunnel } = side.config.l2tp
  assert.ok(sources.byAddress.size <= 8 && sources.halfOpen.size <= 8 * maxHalfOpenPerSource)
  assert.equal(sources.sessions, sessions)
  assert.equal(
    [...sources.byAddress.values()].reduce((sum, source) => sum + source.tunnels, 0),
    tunnels.size,
  )
  assert.ok(
    byPeer.size <= tunnels.size && challenges.size <= tunnels.size && asks.size <= tunnels.size + sessions,
  )
  assert.ok(sessions <= maxSessionsPerTunnel && flows.taken <= sessions)
  const bytes = JSON.stringify(side.endpoint.snapshot()).length
  assert.ok(
    bytes < 10_000 + 20_000 * (tunnels.size + sessions),
    `${bytes} for ${tunnels.size} tunnels, ${sessions} calls`,
  )
}

function assertEachEndsOnce({ events }: Side): void {
  const ended = events.flatMap(event => (event.kind === 'sessionDown' ? [event.session.id] : []))
  assert.equal(new Set(ended).size, ended.length)
}

function shutDown(pair: Pair, name: string): void {
  for (const side of [pair.client, pair.lns]) pair.act(side, (endpoint, now) => endpoint.shutdown(now))
  pair.run(pair.now + 400_000)
  for (const side of [pair.client, pair.lns])
    assert.ok(side.endpoint.isIdle(), `${name}: ${side.name} holds nothing`)
  assert.equal(pair.lns.leases.size + pair.lns.flows.size, 0)
  assertEachEndsOnce(pair.lns)
}

/** What the LNS does that concerns the client of the pair, or anybody but strangers. */
function concerns(output: Output): boolean {
  if (output.kind === 'transmit') return output.path.remote.address === '3.3.3.3'
  if (output.kind === 'event') return output.event.kind === 'sessionUp' || output.event.kind === 'sessionDown'
  return output.kind === 'flow'
}

function hexed(output: Output): string {
  return JSON.stringify(output, (_key, value: unknown) => {
    if (typeof value === 'bigint') return `${value}n`
    return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value
  })
}

/** What the client of a live session is told, while strangers send `rounds` datagrams. */
function lifeAmongStrangers(rounds: number): { seen: string[]; heard: number } {
  const seen: string[] = []
  let heard = 0
  const pair: Pair = new Pair({
    seed: 11,
    lns: { secrets: SECRETS },
    client: { secrets: SECRETS },
    onOutput(side, output) {
      if (side !== pair.lns) return
      if (concerns(output)) seen.push(`${pair.now} ${hexed(output)}`)
      else if (output.kind === 'transmit') heard++
    },
  })
  pair.dial({ secretName: 'golden' })
  pair.run(1000)
  const [summary] = pair.lns.endpoint.sessions()
  assert.ok(summary !== undefined)
  const random = new SeededRandom(99)
  for (let round = 0; round < rounds; round++) {
    const remote = { address: `198.51.100.${random.uint16() % 6}`, port: 1701 + (random.uint16() % 3) }
    const path = { local: summary.session.tunnel.path.local, remote }
    pair.at(1000 + round * 20, () => {
      const own = pair.lns.endpoint.tunnels().find(tunnel => tunnel.path.remote.address === remote.address)
      const choice = random.fraction()
      if (choice < 0.3) pair.inject(pair.lns, path, mutated(random, NOBODY, OPENINGS))
      else if (choice < 0.6 && own !== undefined)
        pair.inject(pair.lns, own.path, mutated(random, aimAt(pair.lns, own)))
      else
        pair.inject(pair.lns, path, mutated(random, aimAt(pair.lns, summary.session.tunnel, summary.session)))
      if (round % 100 === 0) assertBounded(pair.lns)
    })
  }
  pair.at(130_000, () => pair.act(pair.client, (endpoint, now) => endpoint.shutdown(now)))
  pair.run(400_000)
  assert.ok(pair.lns.endpoint.isIdle())
  return { seen, heard }
}

test('from strangers: nothing throws or grows, and the live session hears exactly what it hears without them', () => {
  const undisturbed = lifeAmongStrangers(0)
  const disturbed = lifeAmongStrangers(2000)
  assert.ok(undisturbed.seen.length > 20)
  assert.ok(disturbed.heard > 500, `${disturbed.heard} answers: the strangers got somewhere`)
  assert.deepEqual(disturbed.seen, undisturbed.seen)
})

/** Two sessions of one client, and datagrams that are meant for the second's tunnel. */
function attackFromWithin(seed: number): void {
  const name = `seed ${seed} (BURROW_SEED=${seed} runs it alone)`
  const random = new SeededRandom(seed)
  const secrets = seed % 2 === 0 ? [] : SECRETS
  const pair = new Pair({ seed, lns: { secrets }, client: { secrets } })
  const request = secrets.length === 0 ? {} : { secretName: 'golden' }
  const other = pair.dial(request)
  pair.run(500)
  pair.dial(request)
  pair.run(1000)
  const [kept, bent] = pair.lns.endpoint.sessions().map(({ session }) => session)
  assert.ok(kept !== undefined && bent !== undefined, name)
  const [flow] = pair.lns.flows.values()
  for (let round = 0; round < 150; round++) {
    const datagram = mutated(random, aimAt(pair.lns, bent.tunnel, bent))
    const named = datagram.length < 6 ? [] : [2, 4].map(at => new DataView(datagram.buffer).getUint16(at))
    pair.run(pair.now + 100)
    if (!named.includes(kept.tunnel.localTunnelId)) pair.inject(pair.lns, kept.tunnel.path, datagram)
    if (round % 10 === 0) assertBounded(pair.lns)
  }
  pair.run(pair.now + 300_000)
  assertBounded(pair.lns)
  assert.equal(
    pair.lns.endpoint.sessions().find(({ session }) => session.id === kept.id)?.phase,
    'established',
  )
  assert.ok(
    pair.client.endpoint.sessions().some(({ session }) => session.key === other.session),
    `${name}: the other session lives on both ends`,
  )
  assert.deepEqual(flow && pair.lns.flows.get(flow.id), flow, `${name}: and forwards as before`)
  shutDown(pair, name)
}

test(`from within, over ${seeds.length} seeds: a peer harms its own tunnel at most, and everything of it goes`, () => {
  for (const seed of seeds) attackFromWithin(seed)
})
