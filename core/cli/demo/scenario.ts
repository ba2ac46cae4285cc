/** The reference scenario, played with the real `serve` and `connect` in namespaces of their own. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { askControlSocket } from '../../runtime/node/control-socket.ts'
import type { SessionRow } from '../../runtime/session-rows.ts'
import { missingFrom, type Rung, readLadder, referenceExchange } from './ladder.ts'
import { NO_ANSWER, PAGE } from './page.ts'
import { differs, eventually, type Steps } from './steps.ts'
import { ADDRESS, type Host, type Program, type World } from './world.ts'
import { type DemoFiles, MRU_BYTES, POOL, USER, writeConfig } from './write-config.ts'

type Method = 'pap' | 'chap'
export interface CallResult {
  readonly method: Method
  readonly ladder: readonly Rung[]
}

const script = (path: string) => [process.execPath, fileURLToPath(new URL(path, import.meta.url))]
const BURROW = script('../main.js')
const HOST = script('./host.js')

const START_MS = 15_000
const DIAL_MS = 20_000
const STOP_MS = 15_000
const SPOOFED = '172.16.1.200'
/** Networks that the client routes into the tunnel: the intranet, and one that no zone rule names. */
const ROUTES = ['192.168.1.0/24', '10.99.0.0/24']

/** What the zones refuse, and the counter that says so. */
const REFUSED = [
  { what: "the LNS's own service, by its inside address", to: ADDRESS.lnsInside, drop: 'local-destination' },
  { what: "the LNS's own service, by the gateway address", to: ADDRESS.gateway, drop: 'local-destination' },
  { what: 'a network that no rule permits', to: ADDRESS.elsewhere, drop: 'policy' },
  { what: 'a source that was not assigned', to: ADDRESS.server, from: SPOOFED, drop: 'spoofed-source' },
] as const

/** Plays everything; what differs is in `steps`. */
export async function play(world: World, steps: Steps): Promise<readonly CallResult[]> {
  const calls: CallResult[] = []
  const files = writeConfig(world.folder)
  await steps.step('network namespaces: client, LNS, intranet server', () => {
    world.build()
    return `${world.netns('client')} and two more`
  })
  await steps.step('the intranet server serves a page', () =>
    serveWeb(world, 'server', ADDRESS.server, ADDRESS.elsewhere),
  )
  let lns: Program | undefined
  await steps.step('burrow serve', async () => {
    lns = world.start('lns', [...BURROW, 'serve', '-c', files.config, '--trace', files.trace])
    return started(lns, 'Burrow listens')
  })
  await steps.step('the LNS has services of its own', () =>
    serveWeb(world, 'lns', ADDRESS.lnsInside, ADDRESS.gateway),
  )
  await steps.step('without a tunnel the client does not reach the intranet', () =>
    expectPage(world, 'client', ADDRESS.server, NO_ANSWER),
  )
  await steps.step('the LNS itself reaches both networks, and its own services', async () => {
    for (const address of [ADDRESS.server, ADDRESS.elsewhere, ADDRESS.lnsInside, ADDRESS.gateway])
      await expectPage(world, 'lns', address, PAGE)
    return 'pages from all of them'
  })
  for (const method of ['pap', 'chap'] as const) calls.push(await playCall(world, steps, files, method))
  await steps.step('SIGTERM ends the LNS', () => ended(lns, 'SIGTERM'))
  await steps.step('accounting has a Start and a Stop for each call', () => checkRecords(files.accounting))
  return calls
}

async function playCall(world: World, steps: Steps, files: DemoFiles, method: Method): Promise<CallResult> {
  const name = method.toUpperCase()
  const before = readLadder(files.trace).length
  let client: Program | undefined
  let tun = ''
  await steps.step(`${name}: burrow connect`, async () => {
    client = world.start('client', [
      ...BURROW,
      'connect',
      ADDRESS.lns,
      ...['--user', USER, '--password-file', files.passwordFile, '--auth', method, '--json'],
      ...['--mtu', String(MRU_BYTES)],
      ...ROUTES.flatMap(route => ['--route', route]),
    ])
    const up = JSON.parse(await started(client, '"up"', DIAL_MS))
    tun = up.tun
    if (!POOL.test(up.localAddress)) differs(`assigned ${up.localAddress}`)
    return `assigned ${up.localAddress} from the pool, MTU ${up.mtuBytes}`
  })
  await steps.step(`${name}: the page through the tunnel`, () =>
    expectPage(world, 'client', ADDRESS.server, PAGE),
  )
  await steps.step(`${name}: what the zones refuse`, async () => {
    world.ip('client', `addr add ${SPOOFED}/32 dev ${tun}`)
    const answers = await Promise.all(
      REFUSED.map(({ to, ...rest }) =>
        fetchPage(world, 'client', to, 'from' in rest ? rest.from : undefined),
      ),
    )
    const through = REFUSED.filter((_, index) => answers[index] !== NO_ANSWER)
    if (through.length > 0) differs(`reached ${through.map(({ what }) => what).join('; ')}`)
    return `no answer from ${REFUSED.map(({ what }) => what).join('; ')}`
  })
  await steps.step(`${name}: what was refused is counted`, async () => {
    const [row] = (await askControlSocket(files.controlSocket, 'sessions')) as readonly SessionRow[]
    const missing = REFUSED.filter(({ drop }) => !(Number(row?.drops[drop] ?? 0) > 0))
    if (missing.length > 0) differs(`not counted: ${missing.map(({ drop }) => drop).join(', ')}`)
    return Object.entries(row?.drops ?? {})
      .map(([reason, count]) => `${reason} ${count}`)
      .join(', ')
  })
  await steps.step(`${name}: hanging up`, () => ended(client, 'SIGTERM'))
  let ladder: readonly Rung[] = []
  await steps.step(`${name}: the exchange is the reference's`, async () => {
    const expected = referenceExchange(method)
    ladder = await eventually('StopCCN in the trace', STOP_MS, () => {
      const rungs = readLadder(files.trace).slice(before)
      return rungs.some(rung => rung.name === 'StopCCN') ? rungs : undefined
    })
    const missing = missingFrom(ladder, expected)
    if (missing !== undefined) differs(`${missing.name} ${missing.details?.source ?? ''} is not in its place`)
    return `${expected.length} messages in their places, of ${ladder.length} datagrams`
  })
  return { method, ladder }
}

async function serveWeb(world: World, host: Host, ...addresses: readonly string[]): Promise<string> {
  await started(world.start(host, [...HOST, 'web', ...addresses]), 'ready')
  return addresses.map(address => `http://${address}/`).join(', ')
}

async function fetchPage(world: World, host: Host, address: string, source?: string): Promise<string> {
  const { stdout } = await world.run(host, [
    ...HOST,
    'fetch',
    `http://${address}/`,
    ...(source === undefined ? [] : [source]),
  ])
  return stdout
}

async function expectPage(world: World, host: Host, address: string, wanted: string): Promise<string> {
  const got = await fetchPage(world, host, address)
  if (got !== wanted) differs(`http://${address}/ gave ${JSON.stringify(got)}`)
  return got.trim()
}

/** The line of standard output that holds `sign`. */
async function started(program: Program, sign: string, withinMs = START_MS): Promise<string> {
  let code: number | undefined
  void program.ended.then(ended => {
    code = ended
  })
  return eventually(sign, withinMs, () => {
    const line = program
      .stdout()
      .split('\n')
      .find(text => text.includes(sign))
    if (line === undefined && code !== undefined)
      differs(`ended with status ${code}: ${program.stderr().trim()}`)
    return line
  })
}

async function ended(program: Program | undefined, signal: NodeJS.Signals): Promise<string> {
  if (program === undefined) return differs('it was not started')
  program.child.kill(signal)
  let code: number | undefined
  void program.ended.then(status => {
    code = status
  })
  await eventually('the end of the process', STOP_MS, () => code)
  return code === 0 ? 'status 0' : differs(`status ${code}: ${program.stderr().trim()}`)
}

function checkRecords(file: string): string {
  const records = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  const seen = records.map(({ event, user }) => `${event} ${user}`).join(', ')
  const wanted = ['start', 'stop', 'start', 'stop'].map(event => `${event} ${USER}`).join(', ')
  return seen === wanted ? seen : differs(seen)
}
