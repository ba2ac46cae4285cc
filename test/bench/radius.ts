/** What the RADIUS client does beside radclient, against one FreeRADIUS, and what calls that a slow server holds cost the others. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RadiusClient } from '../../core/plugin/radius.ts'
import { type Freeradius, startFreeradius } from '../support/freeradius.ts'
import { run as runProgram } from '../support/processes.ts'
import { pap, serverOptions, startRadiusClient } from '../support/radius-client.ts'
import { type Figure, figure, quantile } from './measure.ts'

export const about = 'PAP logins in a second beside radclient, and beside calls that a slow server holds'

const PARALLEL = 64
const LOGINS = 4000
const ROUNDS = 9
/** 80 % of radclient's, said the other way round: its figure by ours. */
const THROUGHPUT_LIMIT = 1 / 0.8

const HELD = 200
const HELD_S = 15
const HOLDS = 4
/** While they are held, with room for the last batch. */
const MEASURED_MS = 12_000
const BATCH = 500
const BATCH_PARALLEL = 8
const P99_LIMIT = 1.2

export async function run(): Promise<readonly Figure[]> {
  const ends: (() => unknown)[] = []
  const scope = { after: (end: () => unknown) => void ends.push(end) }
  try {
    const users = { alice: { password: 'wonderland' }, push: { password: 'pw', delayS: HELD_S } }
    const quick = await startFreeradius(scope, { users, recordsRequests: false })
    const slow = await startFreeradius(scope, { users, threads: HELD + 8, recordsRequests: false })
    const pools = [
      { name: 'quick', servers: [serverOptions(quick)] },
      { name: 'slow', servers: [serverOptions(slow, { name: 'slow' })] },
    ]
    const { client } = await startRadiusClient(scope, { pools })
    return [...(await beside(quick, client)), ...(await held(client))]
  } finally {
    for (const end of ends.reverse()) await end()
  }
}

async function beside(server: Freeradius, client: RadiusClient): Promise<readonly Figure[]> {
  const theirs: number[] = []
  const ours: number[] = []
  await logins(client, LOGINS, PARALLEL)
  for (let round = 0; round < ROUNDS; round++) {
    // Without what it takes to start and to read its dictionaries.
    theirs.push(perSecond((await radclientMs(server, LOGINS)) - (await radclientMs(server, 1))))
    const start = performance.now()
    await logins(client, LOGINS, PARALLEL)
    ours.push(perSecond(performance.now() - start))
  }
  const ratios = theirs.map((rate, round) => rate / (ours[round] ?? Number.NaN))
  return [
    figure('logins by radclient', '/s', theirs),
    figure('logins by radius-client', '/s', ours),
    figure('radclient by radius-client', 'x', ratios, THROUGHPUT_LIMIT),
  ]
}

const perSecond = (ms: number): number => (LOGINS / ms) * 1000

async function radclientMs({ host, authPort, secret, folder }: Freeradius, count: number): Promise<number> {
  const file = join(folder, `logins-${count}`)
  const login = 'User-Name = "alice"\nUser-Password = "wonderland"\nMessage-Authenticator = 0x00\n'
  writeFileSync(file, Array.from({ length: count }, () => login).join('\n'))
  const words = [
    'radclient',
    '-q',
    '-s',
    '-p',
    `${PARALLEL}`,
    '-f',
    file,
    `${host}:${authPort}`,
    'auth',
    secret,
  ]
  const start = performance.now()
  const { stdout } = await runProgram(words, { deadlineMs: 60_000 })
  const ms = performance.now() - start
  assert.match(stdout, new RegExp(`Accepted +: ${count}\\n`))
  return ms
}

/** So many, some at a time; how long each took. */
async function logins(client: RadiusClient, count: number, parallel: number): Promise<readonly number[]> {
  const times: number[] = []
  let left = count
  const worker = async () => {
    while (left-- > 0) {
      const start = performance.now()
      const outcome = await client.ask(pap('alice', 'wonderland'))
      times.push(performance.now() - start)
      assert.equal(outcome.kind, 'reply')
    }
  }
  await Promise.all(Array.from({ length: parallel }, worker))
  return times
}

async function held(client: RadiusClient): Promise<readonly Figure[]> {
  const free: (readonly number[])[] = [await p99s(client)]
  const beside: (readonly number[])[] = []
  for (let hold = 0; hold < HOLDS; hold++) {
    const start = performance.now()
    const pushes = Array.from({ length: HELD }, () =>
      client.ask({ ...pap('push', 'pw'), pool: 'slow', timeoutMs: 60_000 }),
    )
    beside.push(await p99s(client))
    assert.ok(performance.now() - start < HELD_S * 1000, 'they were held all the time')
    for (const outcome of await Promise.all(pushes)) assert.equal(outcome.kind, 'reply')
    free.push(await p99s(client))
  }
  // By what was before and after, so that a machine that slows down slows both.
  const median = (round: readonly number[] = []) => quantile(round, 0.5)
  const ratios = beside.map(
    (round, hold) => (2 * median(round)) / (median(free[hold]) + median(free[hold + 1])),
  )
  return [
    figure('p99 of a login', 'ms', free.flat()),
    figure(`p99 beside ${HELD} held calls`, 'ms', beside.flat()),
    figure('the one by the other', 'x', ratios, P99_LIMIT),
  ]
}

/** Of each of as many batches as there is time for. */
async function p99s(client: RadiusClient): Promise<readonly number[]> {
  const p99: number[] = []
  const end = performance.now() + MEASURED_MS
  while (performance.now() < end) p99.push(quantile(await logins(client, BATCH, BATCH_PARALLEL), 0.99))
  return p99
}
