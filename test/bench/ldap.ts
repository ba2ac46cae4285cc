/**
 * What auth-ldap does beside ldapts used bare, against one slapd: for each PAP login a search and a bind, on both sides over one
 * connection for searches and as many for binds. And whether a storm of logins leaves memory as it was.
 */
import assert from 'node:assert/strict'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Client, EqualityFilter } from 'ldapts'
import { Inquiry } from '../../core/hooks/guard.ts'
import { PluginHost } from '../../core/plugin/host.ts'
import { nodeClock } from '../../core/runtime/node/clock.ts'
import { createLogger } from '../../core/runtime/node/logger.ts'
import { createNodeRandom } from '../../core/runtime/node/random.ts'
import { FakeServer } from '../../core/testing/fake-server.ts'
import { papProof } from '../../core/testing/proofs.ts'
import { Options } from '../../plugins/auth-ldap/config.ts'
import authLdap from '../../plugins/auth-ldap/index.ts'
import { SESSION } from '../support/session.ts'
import { PEOPLE, SERVICE, type Slapd, startSlapd } from '../support/slapd.ts'
import { type Figure, figure } from './measure.ts'

export const about =
  'PAP logins in a second beside bare ldapts, against slapd, and the memory of a login storm'

const USERS = 5000
const PARALLEL = 64
const BIND_CONNECTIONS = 8
const LOGINS = 4000
const ROUNDS = 9
/** Within 25 % of ldapts, said the other way round: its figure by ours. */
const THROUGHPUT_LIMIT = 1.33
/** 1,500 in a second. */
const LOGIN_LIMIT_MS = 0.666
const STORMS = 5
const MEMORY_LIMIT = 1.15
/** As auth-ldap asks for. */
const ATTRIBUTES = [
  'uid',
  'shadowExpire',
  'pwdAccountLockedTime',
  'pwdReset',
  'sambaAcctFlags',
  'sambaLogonHours',
]

type Login = (user: string, password: string) => Promise<boolean>

export async function run(): Promise<readonly Figure[]> {
  const ends: (() => unknown)[] = []
  try {
    const slapd = await startSlapd({ after: end => void ends.push(end) }, { crowd: USERS })
    const bare = await bareLogin(slapd, ends)
    const ours = await ourLogin(slapd, ends)
    return [...(await beside(bare, ours)), ...(await storms(ours))]
  } finally {
    for (const end of ends.reverse()) await end()
  }
}

async function beside(bare: Login, ours: Login): Promise<readonly Figure[]> {
  await logins(bare, LOGINS)
  await logins(ours, LOGINS)
  const theirMs: number[] = []
  const ourMs: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    theirMs.push(await logins(bare, LOGINS))
    ourMs.push(await logins(ours, LOGINS))
  }
  const perSecond = (all: readonly number[]) => all.map(ms => 1000 / ms)
  return [
    figure('logins by bare ldapts', '/s', perSecond(theirMs)),
    figure('logins by auth-ldap', '/s', perSecond(ourMs)),
    figure('time for each login by auth-ldap', 'ms', ourMs, LOGIN_LIMIT_MS),
    figure(
      'ldapts by auth-ldap',
      'x',
      ourMs.map((ms, round) => ms / (theirMs[round] ?? Number.NaN)),
      THROUGHPUT_LIMIT,
    ),
  ]
}

async function storms(login: Login): Promise<readonly Figure[]> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const heap = () => {
    collect()
    return process.memoryUsage().heapUsed
  }
  await logins(login, USERS)
  const before = heap()
  const after: number[] = []
  for (let storm = 0; storm < STORMS; storm++) {
    await logins(login, USERS)
    after.push(heap() / before)
  }
  return [figure(`heap after another ${USERS} users by before`, 'x', after, MEMORY_LIMIT)]
}

/** So many, one user after the other, some at a time; milliseconds for each. */
async function logins(login: Login, count: number): Promise<number> {
  let next = 0
  const worker = async () => {
    while (next < count) {
      const user = `u${next++ % USERS}`
      assert.ok(await login(user, `pw-${user}`), user)
    }
  }
  const start = performance.now()
  await Promise.all(Array.from({ length: PARALLEL }, worker))
  return (performance.now() - start) / count
}

async function bareLogin({ url }: Slapd, ends: (() => unknown)[]): Promise<Login> {
  const connect = async () => {
    const client = new Client({ url })
    await client.bind(SERVICE.dn, SERVICE.password)
    ends.push(() => client.unbind())
    return client
  }
  const searcher = await connect()
  const idle = await Promise.all(Array.from({ length: BIND_CONNECTIONS }, connect))
  const waiting: ((client: Client) => void)[] = []
  return async (user, password) => {
    const filter = new EqualityFilter({ attribute: 'uid', value: user })
    const found = await searcher.search(PEOPLE, { filter, attributes: ATTRIBUTES, sizeLimit: 2 })
    const [entry] = found.searchEntries
    if (entry === undefined) return false
    const client = idle.pop() ?? (await new Promise<Client>(resolve => waiting.push(resolve)))
    try {
      await client.bind(entry.dn, password)
      return true
    } finally {
      const turn = waiting.shift()
      if (turn === undefined) idle.push(client)
      else turn(client)
    }
  }
}

async function ourLogin({ url }: Slapd, ends: (() => unknown)[]): Promise<Login> {
  const options = Options.parse({
    urls: [url],
    service: SERVICE,
    base: PEOPLE,
    filter: '(uid={account})',
    methods: ['pap'],
    bindConnections: BIND_CONNECTIONS,
  })
  const host = new PluginHost([{ plugin: authLdap, id: 'auth-ldap', options, place: {} }], {
    clock: nodeClock,
    log: createLogger({ level: 'silent' }),
    random: createNodeRandom(),
    configDir: '/',
    server: new FakeServer(),
  })
  await host.check()
  await host.start()
  ends.push(() => host.stop())
  return async (user, password) => {
    const subject = { session: SESSION, user, proof: papProof(password), round: 0 }
    const verdict = await host.hooks.ask('authenticate', new Inquiry(), subject)
    return verdict?.kind === 'accept'
  }
}
