import type { Command } from 'commander'
import type { ProxiedPart } from '../../protocol/outputs.ts'
import type { Explained, Explanation } from '../../runtime/explain.ts'
import { askControlSocket } from '../../runtime/node/control-socket.ts'
import { protectionText } from '../../runtime/session-rows.ts'
import { escapeText } from '../../wire/escape.ts'
import { controlSocketOf } from '../control.ts'
import { decisionTable, localTime } from '../decisions.ts'

interface Options {
  readonly all?: boolean
  readonly config?: string
  readonly socket?: string
  readonly json?: boolean
}

const MOST = 5
const MOST_OF_ALL = 100_000

export function addExplain(program: Command): void {
  program
    .command('explain')
    .description('why a call was let in or refused: every decision about it, up to an hour after its end')
    .argument('<session|user|address>', 'session id or its first digits, user, or address of the peer')
    .option('--all', `all that is known, not only the newest ${MOST}`)
    .option('-c, --config <file>', 'the config of that server, where it names another control socket')
    .option('--socket <path>', 'its control socket')
    .option('--json', 'print as JSON')
    .action(async (about: string, { all, json, ...server }: Options) => {
      const most = all === true ? MOST_OF_ALL : MOST
      const answer = await askControlSocket(await controlSocketOf(server), 'explain', { about, most })
      const text = json === true ? `${JSON.stringify(answer, null, 2)}\n` : describe(answer as Explanation)
      process.stdout.write(text)
    })
}

function describe({ records, found }: Explanation): string {
  const more =
    found > records.length ? [`${found - records.length} older ones are left out; see --all\n`] : []
  return [...records.map(describeOne), ...more].join('\n')
}

const PROXIED: Readonly<Record<ProxiedPart, string>> = {
  lcp: 'LCP, by its LAC',
  login: 'LCP and login, by its LAC',
}

function describeOne(record: Explained): string {
  const { kind, id, outcome, user, acceptedAs, peer, host, tunnel, generation, deployment, proxied } = record
  const { protection } = record
  const renamed = acceptedAs === undefined || acceptedAs === user ? '' : `, accepted as ${acceptedAs}`
  const lines: readonly (readonly [string, string | undefined])[] = [
    [kind, `${id}: ${outcome}`],
    ['user', user === undefined ? acceptedAs : `${user}${renamed}`],
    ['from', `${peer}${host === '' ? '' : `, host ${host}`}${kind === 'tunnel' ? '' : `, tunnel ${tunnel}`}`],
    ['within', protection && protectionText({ protection })],
    ['proxied', proxied === undefined ? undefined : PROXIED[proxied]],
    ['when', when(record)],
    ['config', generation === undefined ? undefined : servedBy(generation, deployment)],
  ]
  const facts = lines.flatMap(([name, value]) =>
    value === undefined ? [] : [`${name.padEnd(8)}${escapeText(value, 1024)}\n`],
  )
  return `${facts.join('')}\n${decisions(record)}\n${escapeText(record.answer, 1024)}\n`
}

function decisions({ startedAt, entries, tunnelEntries, dropped }: Explained): string {
  const all = [...tunnelEntries, ...entries]
  if (all.length === 0) return 'no plugin was asked\n'
  const lost = dropped === 0 ? '' : `${dropped} earlier ones are no longer kept\n`
  return `${lost}${decisionTable(startedAt, all)}`
}

const servedBy = (generation: number, deployment: string | undefined) =>
  `generation ${generation}${deployment === undefined ? '' : `, deployment ${deployment}`}`

function when({ startedAt, endedAt }: Explained): string {
  const start = localTime(Date.parse(startedAt))
  return endedAt === undefined ? `since ${start}` : `${start} to ${localTime(Date.parse(endedAt))}`
}
