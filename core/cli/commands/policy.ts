import type { Command } from 'commander'
import { BurrowError } from '../../errors.ts'
import type { PolicyQuestion } from '../../plugin/policy-table.ts'
import type { CountedRow, PolicyAnswers, PolicyReport } from '../../runtime/policy-report.ts'
import { escapeText } from '../../wire/escape.ts'
import { Answerer, type AnswererOptions } from '../answerer.ts'
import { table } from '../table.ts'

interface ShowOptions extends AnswererOptions {
  readonly json?: boolean
}

interface TestOptions extends ShowOptions {
  readonly from?: string
  readonly to?: string
  readonly src: string
  readonly dst: string
  readonly app: string
  readonly user?: string
  readonly group: readonly string[]
  readonly filter?: string
}

export function addPolicy(program: Command): void {
  const policy = program.command('policy').description('show the rules, and ask what they say of a packet')
  withServer(policy.command('show'))
    .description('print the rules in order, with what each decided on')
    .action(show)
  withServer(policy.command('test'))
    .description('tell the verdict on a packet, and the rule that gives it')
    .requiredOption('--src <address>', 'its source')
    .requiredOption('--dst <address>', 'its destination')
    .requiredOption(
      '--app <service>',
      'what it is of, as rules have it: http, tcp/80, udp/53, icmp/echo-request',
    )
    .option('--from <zone>', 'zone of the source; default: that of the address')
    .option('--to <zone>', 'zone of the destination; default: that of the address')
    .option('--user <name>', 'whose session it is of')
    .option('--group <name>', 'a group that the user is in; may be repeated', collect, [])
    .option('--filter <name>', 'the filter that the session is granted')
    .action(test)
}

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value]

const withServer = (command: Command): Command =>
  command
    .option('-c, --config <file>', 'the config to ask where no server serves its control socket')
    .option('--socket <path>', 'control socket of the server to ask')
    .option('--json', 'print as JSON')

async function show(options: ShowOptions): Promise<void> {
  const answerer = new Answerer(options)
  try {
    const report = await answerer.ask<PolicyReport>('policy', {}, lns => lns.policy.report())
    const numbers = (_key: string, value: unknown) => (typeof value === 'bigint' ? Number(value) : value)
    const text =
      options.json === true ? `${JSON.stringify(report, numbers, 2)}\n` : asText(report, answerer.isOwn)
    process.stdout.write(text)
  } finally {
    await answerer.close()
  }
}

/** Of a server that serves nobody, nothing is counted. */
function asText({ tables, unmatched }: PolicyReport, isOwn: boolean): string {
  if (tables.length === 0) return 'no plugin of this config decides on policy by a table of rules\n'
  const heads = [
    'RULE',
    'FROM',
    'TO',
    'SOURCE',
    'DESTINATION',
    'SERVICE',
    'ACTION',
    'IF',
    ...(isOwn ? [] : ['HITS']),
  ]
  const denied: readonly string[] = ['', 'any', 'any', 'any', 'any', 'any', 'deny', '']
  return tables
    .map(({ plugin, rules }) => {
      const lines = rules.map(row => [...cellsOf(row), ...(isOwn ? [] : [hits(row)])])
      const last = [...denied, ...(isOwn ? [] : [`${unmatched.packets} packets`])]
      return `${tables.length > 1 ? `${escapeText(plugin)}\n` : ''}${table(heads, [...lines, last])}`
    })
    .join('\n')
}

const cellsOf = ({ name, from, to, source, destination, service, action, condition, active }: CountedRow) => [
  name,
  from,
  to,
  source,
  destination,
  service,
  action,
  active ? condition : `${condition} (not now)`,
]

const hits = ({ hits: counted, decided }: CountedRow): string =>
  counted === undefined ? `${decided} tunnels` : `${counted.packets} packets`

async function test(options: TestOptions): Promise<void> {
  const { from, to, src, dst, app, user, group, filter, json } = options
  const question: PolicyQuestion = {
    source: src,
    destination: dst,
    service: app,
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...(user === undefined ? {} : { user }),
    ...(group.length === 0 ? {} : { groups: group }),
    ...(filter === undefined ? {} : { filter }),
  }
  const answerer = new Answerer(options)
  try {
    const { verdicts } = await answerer.ask<PolicyAnswers>('askPolicy', question, lns =>
      lns.policy.ask(question),
    )
    const text = json === true ? `${JSON.stringify(verdicts, null, 2)}\n` : verdicts.map(told).join('\n')
    process.stdout.write(text)
    const refused = verdicts.find(({ action }) => action !== 'permit')
    if (refused !== undefined) throw new BurrowError('POLICY_REFUSES', refused.reason)
  } finally {
    await answerer.close()
  }
}

function told({ plugin, action, reason, passed }: PolicyAnswers['verdicts'][number]): string {
  const before = passed.map(({ rule, because }) => `  rule "${rule}" does not match: ${because}`)
  const verdict = action === 'permit' ? [`permit: ${reason} (${plugin})`] : []
  return [...before, ...verdict].map(line => `${escapeText(line, 1024)}\n`).join('')
}
