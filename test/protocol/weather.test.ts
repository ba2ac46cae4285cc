/**
 * A pair of endpoints in virtual time under loss, duplication, reordering, delay, denials, hang-ups and crashes, over
 * many seeds. BURROW_SEEDS sets how many; BURROW_SEED runs one.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Ask, Verdict } from '../../core/protocol/outputs.ts'
import { dialRequest, FAIR_WEATHER, PASSWORD, Pair, type Side } from '../support/pair.ts'
import { SeededRandom } from '../support/random.ts'

const SEEDS = Number(process.env.BURROW_SEEDS ?? 10_000)
/** Of these, every so many are run again with each endpoint restored from JSON after every input. */
const RESTORED_EVERY = 8
const CHAOS_MS = 60_000
/** Longer than any deadline that follows another: HELLO and its repetitions, echo failures, setup, lingering. */
const CALM_MS = 600_000

interface Scenario {
  readonly pair: Pair
  readonly wrongPassword: boolean
}

function scenario(seed: number, options: { restoreAlways: boolean; trace: boolean }): Scenario {
  const draw = new SeededRandom(seed ^ 0x5eed)
  const chance = (probability: number) => draw.fraction() < probability
  const maxLatencyMs = chance(0.5) ? 2000 : 60
  const weather = {
    minLatencyMs: 5,
    maxLatencyMs,
    loss: chance(0.2) ? 0 : draw.fraction() * 0.4,
    duplication: chance(0.3) ? 0 : draw.fraction() * 0.4,
  }
  const wrongPassword = chance(0.15)
  const deniedKind = chance(0.2) ? DENIABLE[draw.uint16() % DENIABLE.length] : undefined
  const neverAnswers = chance(0.05)
  const methods = chance(0.5) ? (['pap'] as const) : (['chap-md5'] as const)
  const secret = chance(0.4) ? [{ name: 'both', secret: 'tunnel-secret' }] : []
  const pair: Pair = new Pair({
    seed,
    weather,
    lns: { secrets: secret },
    client: { secrets: secret },
    decide(ask, side) {
      if (neverAnswers && ask.kind === 'authenticate') return undefined
      const afterMs = draw.fraction() < 0.3 ? Math.floor(draw.fraction() * 8000) : 0
      return { afterMs, verdict: verdict(pair, ask, side, { wrongPassword, deniedKind }) }
    },
    ...options,
  })
  const request = dialRequest({
    ...(secret.length > 0 ? { secretName: 'both' } : {}),
    singleTunnel: chance(0.2),
    ppp: { ...dialRequest().ppp, authAs: { user: 'hb@hb', methods } },
  })
  const calls = 1 + (draw.uint16() % 2)
  for (let call = 0; call < calls; call++) {
    pair.at(Math.floor(draw.fraction() * 5000), () => pair.dial(request))
  }
  if (chance(0.5)) pair.at(Math.floor(draw.fraction() * CHAOS_MS), () => disturb(pair, draw))
  return { pair, wrongPassword }
}

const DENIABLE = ['admitTunnel', 'admitSession', 'authorize', 'assignAddress', 'decidePolicy'] as const

function verdict(
  pair: Pair,
  ask: Ask,
  side: Side,
  { wrongPassword, deniedKind }: { wrongPassword: boolean; deniedKind: Ask['kind'] | undefined },
): Verdict {
  if (side === pair.lns && ask.kind === deniedKind) return { kind: 'deny', reason: 'as the scenario says' }
  if (wrongPassword && ask.kind === 'authenticate') return { kind: 'deny', reason: 'wrong password' }
  return pair.accept(ask, wrongPassword ? 'nonsense' : PASSWORD)
}

function disturb(pair: Pair, draw: SeededRandom): void {
  const side = draw.uint16() % 2 === 0 ? pair.lns : pair.client
  const reason = { cause: 'local-hangup' } as const
  const session = side.endpoint.sessions()[0]?.session.key
  const tunnel = side.endpoint.tunnels()[0]?.key
  const deeds = [
    () => session !== undefined && pair.act(side, (endpoint, now) => endpoint.hangUp(now, session, reason)),
    () =>
      tunnel !== undefined && pair.act(side, (endpoint, now) => endpoint.closeTunnel(now, tunnel, reason)),
    () => pair.act(side, (endpoint, now) => endpoint.shutdown(now)),
    () => pair.crash(side),
  ]
  deeds[draw.uint16() % deeds.length]?.()
}

function play(seed: number, options = { restoreAlways: false, trace: false }): Scenario {
  const played = scenario(seed, options)
  played.pair.run(CHAOS_MS)
  played.pair.weather = FAIR_WEATHER
  played.pair.run(CHAOS_MS + CALM_MS)
  return played
}

/** What one side believes, in the other side's words. */
function beliefs(side: Side, other: 'own' | 'mirrored') {
  return side.endpoint
    .sessions()
    .map(({ session, phase, network }) => {
      const { localTunnelId, peerTunnelId } = session.tunnel
      const ids = [localTunnelId, peerTunnelId, session.localSessionId, session.peerSessionId]
      const [tunnelA, tunnelB, sessionA, sessionB] = ids
      return {
        ids: other === 'own' ? ids : [tunnelB, tunnelA, sessionB, sessionA],
        phase,
        addresses:
          other === 'own'
            ? [network?.localAddress, network?.peerAddress]
            : [network?.peerAddress, network?.localAddress],
      }
    })
    .sort((a, b) => (a.ids[0] ?? 0) - (b.ids[0] ?? 0))
}

function check({ pair, wrongPassword }: Scenario): void {
  const { lns, client } = pair
  assert.deepEqual(
    beliefs(lns, 'own'),
    beliefs(client, 'mirrored'),
    'both ends hold the same ids and addresses',
  )
  const sessions = lns.endpoint.sessions().length
  if (wrongPassword) assert.equal(sessions, 0, 'a wrong password opens nothing')
  assert.equal(lns.leases.size, sessions, 'a lease for each session and none besides')
  assert.equal(lns.flows.size, sessions)
  assert.equal(client.flows.size, sessions)
  for (const side of [lns, client]) {
    assert.equal(side.open.size, 0, `${side.name}: no ask is pending`)
    if (side.endpoint.tunnels().length === 0) assert.ok(side.endpoint.isIdle(), `${side.name}: holds nothing`)
    const ups = side.eventsOf('sessionUp').map(({ session }) => session.id)
    const downs = side.eventsOf('sessionDown').map(({ session }) => session.id)
    assert.equal(new Set(downs).size, downs.length, `${side.name}: no session ends twice`)
    if (side.life === 0) {
      const live = side.endpoint.sessions().map(({ session }) => session.id)
      assert.deepEqual(
        ups.filter(id => !downs.includes(id)).sort(),
        live.sort(),
        `${side.name}: each session that came up is live or has ended`,
      )
    }
  }
}

const only = process.env.BURROW_SEED

test(`over ${only === undefined ? SEEDS : 1} seeds both ends agree, or hold nothing`, () => {
  const [first, end] = only === undefined ? [0, SEEDS] : [Number(only), Number(only) + 1]
  let up = 0
  for (let seed = first; seed < end; seed++) {
    try {
      const played = play(seed)
      check(played)
      up += played.pair.lns.eventsOf('sessionUp').length
    } catch (error) {
      throw new Error(`seed ${seed} (BURROW_SEED=${seed} runs it alone)`, { cause: error })
    }
  }
  if (only === undefined) assert.ok(up > SEEDS / 3, `only ${up} sessions came up: the scenarios test little`)
})

test('an endpoint restored from JSON after every input leaves the same trace', () => {
  const [first, end] = only === undefined ? [0, SEEDS] : [Number(only), Number(only) + 1]
  for (let seed = first; seed < end; seed += RESTORED_EVERY) {
    const plain = play(seed, { restoreAlways: false, trace: true }).pair.trace
    const restored = play(seed, { restoreAlways: true, trace: true }).pair.trace
    const at = plain.findIndex((line, index) => line !== restored[index])
    assert.ok(
      at === -1 && plain.length === restored.length,
      `seed ${seed}, output ${at}:\n${plain[at]}\n${restored[at]}`,
    )
  }
})
