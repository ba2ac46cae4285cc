/**
 * `npm run demo -- --client xl2tpd`: the reference scenario with xl2tpd and pppd in a kernel of their own as the mobile user. `--json` prints
 * what was done and seen as data. Status 1 where something differs.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import {
  drawLadder,
  missingFrom,
  type Rung,
  readLadder,
  referenceExchange,
} from '../../core/cli/demo/ladder.ts'
import { differs, eventually, Steps } from '../../core/cli/demo/steps.ts'
import { end, prepare } from '../setup/prepare.ts'
import { until } from '../support/until.ts'
import { ADDRESS, type Lab, PAGE, startLab } from './lab.ts'
import { recordsOf } from './records.ts'

const USER = { user: 'hb@hb', password: 'admin@123' } as const
const POOL = /^172\.16\.1\.(?:[2-9]|[1-9]\d|100)$/
const ELSEWHERE = '10.99.0.1'
const STOP_MS = 15_000
/** pppd asks for no MRU of 1500, which is the default; and the end of a tunnel is to xl2tpd the end of its calls. */
const UNSAID: ReadonlySet<string> = new Set(['LCP Configure-Ack', 'CDN'])

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } })
const lack = await prepare(['network', 'peers'])
if (lack !== undefined) end(`${lack.reason}: ${lack.remedy}`, 1)

const print = (text: string) => void process.stdout.write(text)
const steps = new Steps(values.json ? text => void process.stderr.write(text) : print)
const calls: { readonly method: string; readonly ladder: readonly Rung[] }[] = []
const undo: (() => void | Promise<void>)[] = []
let folder = ''
await steps.step('the scenario', async () => {
  let lab: Lab | undefined
  await steps.step(
    'a kernel for the mobile user, namespaces for the LNS and the intranet server',
    async () => {
      lab = await startLab({ after: act => undo.unshift(act) }, 1)
      folder = lab.folder
      return (await lab.guest(0).versions()) ?? ''
    },
  )
  if (lab === undefined) return differs('it could not begin')
  await play(lab)
  return 'played to its end'
})
await steps.step('everything is removed', async () => {
  for (const act of undo) await act()
  return existsSync(folder)
    ? differs(`${folder} is still there`)
    : 'no process, no namespace, no file is left'
})
if (values.json)
  print(`${JSON.stringify({ ok: steps.failed.length === 0, steps: steps.results, calls }, null, 2)}\n`)
else
  for (const { method, ladder } of calls)
    print(`\nThe exchange with ${method.toUpperCase()}:\n\n${drawLadder(ladder)}`)
process.exit(steps.failed.length === 0 ? 0 : 1)

async function play(lab: Lab): Promise<void> {
  const client = lab.guest(0)
  const trace = join(lab.folder, 'trace.jsonl')
  const accounting = join(lab.folder, 'accounting.jsonl')
  lab.inside.ip(`addr add ${ELSEWHERE}/32 dev lo`)
  lab.host.ip(`route add ${ELSEWHERE}/32 via ${ADDRESS.web}`)
  const lns = await lab.serve(
    `ppp: { mruBytes: 1500 }
plugins:
  - auth-local: { users: [${JSON.stringify(USER)}] }
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }
  - policy-zones:
  - accounting-file: { file: ${accounting} }
`,
    ['--trace', trace],
  )
  const fetch = async (address: string) => {
    const request = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | socat -T 2 -t 2 - TCP:${address}:80,connect-timeout=2`
    return (await client.run(`ip route replace ${address} dev ppp0; ${request}`)).output
  }
  for (const method of ['pap', 'chap'] as const) {
    const name = method.toUpperCase()
    const before = existsSync(trace) ? readLadder(trace).length : 0
    await steps.step(`${name}: xl2tpd dials`, async () => {
      const others = ['pap', 'chap', 'mschap', 'mschap-v2', 'eap'].filter(other => other !== method)
      const options = ['mru 1500', 'mtu 1500', ...others.map(other => `refuse-${other}`)]
      await client.dial({ lns: ADDRESS.host, ...USER, options })
      const { own } = await client.addressed()
      return POOL.test(own) ? `assigned ${own} from the pool` : differs(`assigned ${own}`)
    })
    await steps.step(`${name}: the page through the tunnel`, async () => {
      const got = await fetch(ADDRESS.web)
      return got.includes(PAGE) ? PAGE : differs(got)
    })
    await steps.step(`${name}: what the zones refuse`, async () => {
      for (const address of [ELSEWHERE, ADDRESS.inSessions])
        if ((await fetch(address)).includes(PAGE)) differs(`reached ${address}`)
      return `no answer from ${ELSEWHERE}, which no rule permits, and from ${ADDRESS.inSessions}, the LNS itself`
    })
    await steps.step(`${name}: hanging up`, async () => {
      await client.end()
      const stopped = () => existsSync(accounting) && recordsOf(accounting).at(-1)?.event === 'stop'
      await until('the Stop record', stopped, STOP_MS)
      return 'a Start and a Stop in the accounting'
    })
    await steps.step(`${name}: the exchange is the reference's`, async () => {
      const ladder = await eventually('StopCCN in the trace', STOP_MS, () => {
        const rungs = readLadder(trace).slice(before)
        return rungs.some(rung => rung.name === 'StopCCN') ? rungs : undefined
      })
      calls.push({ method, ladder })
      const expected = referenceExchange(method).filter(rung => !UNSAID.has(rung.name))
      const missing = missingFrom(ladder, expected)
      if (missing !== undefined)
        differs(`${missing.name} ${missing.details?.source ?? ''} is not in its place`)
      return `${expected.length} messages in their places, of ${ladder.length} datagrams`
    })
  }
  await steps.step('SIGTERM ends the LNS', async () => {
    const { code, stderr } = await lns.end('SIGTERM', STOP_MS)
    return code === 0 ? 'status 0' : differs(`status ${code}: ${stderr}`)
  })
}
