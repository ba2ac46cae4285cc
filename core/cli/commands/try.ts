import { type Command, InvalidArgumentError, Option } from 'commander'
import { stringify } from 'yaml'
import { BurrowError } from '../../errors.ts'
import type { Credential, DryRun } from '../../runtime/dry-run.ts'
import { escapeValue } from '../../runtime/escape.ts'
import { escapeText } from '../../wire/escape.ts'
import { parseSocketText } from '../../wire/socket-text.ts'
import { Answerer } from '../answerer.ts'
import { decisionTable } from '../decisions.ts'
import { promptSecret, readSecret } from '../secret.ts'
import { table } from '../table.ts'

interface Options {
  readonly user: string
  readonly method?: NonNullable<Credential['method']>
  readonly peer?: string
  readonly hostName?: string
  readonly secretName?: string
  readonly called?: string
  readonly passwordFile?: string
  readonly passwordEnv?: string
  readonly config?: string
  readonly socket?: string
  readonly json?: boolean
}

export function addTry(program: Command): void {
  program
    .command('try')
    .description('send a credential through the configured plugins, without a tunnel and without a trace')
    .requiredOption('-u, --user <name>', 'who would log in')
    .addOption(
      new Option('--method <method>', 'how; default: the first that the server asks peers for').choices([
        'pap',
        'chap',
        'mschapv2',
        'eap',
      ]),
    )
    .option('--password-file <file>', 'a file whose first line is the password')
    .option(
      '--password-env <variable>',
      'a variable of the environment that holds it; else the terminal is asked',
    )
    .option('--peer <address>', 'address of the peer; default: 127.0.0.1', parsePeer)
    .option('--host-name <name>', 'what the peer calls itself')
    .option('--secret-name <name>', 'name of the tunnel secret that it has shown to know')
    .option('--called <number>', 'the number that it has called')
    .option('-c, --config <file>', 'the config to try where no server serves its control socket')
    .option('--socket <path>', 'control socket of the server to ask')
    .option('--json', 'print as JSON')
    .action(tryOut)
}

async function tryOut(options: Options): Promise<void> {
  const { user, passwordFile, passwordEnv } = options
  const warn = (text: string) => process.stderr.write(`burrow: warning: ${text}\n`)
  const password =
    readSecret('password', { file: passwordFile, env: passwordEnv }, warn) ??
    (await promptSecret(`password of ${user}`))
  const answerer = new Answerer(options)
  try {
    const { outcome, answer } = await converse(answerer, credentialOf(options, password), options)
    if (outcome === 'refuse') throw new BurrowError('TRY_REFUSED', answer)
  } finally {
    await answerer.close()
  }
}

/** Until there is a verdict; what the user is asked in between is asked on the terminal. */
async function converse(answerer: Answerer, credential: Credential, { json }: Options): Promise<DryRun> {
  for (let next = credential; ; ) {
    const question = next
    const result = await answerer.ask<DryRun>('try', question, lns => lns.dryRun(question))
    process.stdout.write(json === true ? asJson(result, answerer.name) : asText(result, answerer.name))
    if (result.continued === undefined) return result
    const said = await promptSecret(`answer to "${escapeText(result.message ?? '')}"`)
    next = { ...credential, password: said, continued: result.continued }
  }
}

function credentialOf({ user, method, peer, hostName, secretName, called }: Options, password: string) {
  const given = { method, peer, hostName, secretName, calledNumber: called }
  return {
    user,
    password,
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  } as Credential
}

/** What goes back to a plugin is none of the reader's business. */
function asJson({ continued: _, ...result }: DryRun, answeredBy: string): string {
  return `${JSON.stringify({ answeredBy, ...result }, null, 2)}\n`
}

function asText(result: DryRun, answeredBy: string): string {
  const { user, method, peer, generation, deployment, startedAt, entries, notes, answer, message } = result
  const lines = [
    ['asked', answeredBy],
    ['user', `${user}, by ${method}, from ${peer}`],
    ['config', `generation ${generation}${deployment === undefined ? '' : `, deployment ${deployment}`}`],
  ]
  const facts = lines.map(([name = '', value = '']) => `${name.padEnd(8)}${escapeText(value, 1024)}\n`)
  return [
    facts.join(''),
    entries.length === 0 ? 'no plugin was asked\n' : decisionTable(startedAt, entries),
    ...comeTo(result),
    ...(message === undefined ? [] : [`the peer is told: ${escapeText(message)}\n`]),
    [...notes.map(note => `note: ${note}`), escapeText(answer, 1024)].map(line => `${line}\n`).join(''),
  ].join('\n')
}

function comeTo({ grant, lease, policy }: DryRun): readonly string[] {
  const granted = grant === undefined ? [] : [`GRANT\n${stringify(escapeValue(grant))}`]
  const leased = lease === undefined ? [] : [`ADDRESS\n${lease.value}, of ${lease.owner}\n`]
  if (policy === undefined) return [...granted, ...leased]
  const rules = policy.rules.map(({ name, direction, action }) => [name, direction, action])
  const zone = `POLICY OF ZONE ${escapeText(policy.zone)}\n`
  const filter =
    rules.length === 0 ? 'no rule: everything is denied\n' : table(['RULE', 'DIRECTION', 'ACTION'], rules)
  return [...granted, ...leased, `${zone}${filter}`]
}

function parsePeer(text: string): string {
  const peer = parseSocketText(text, 0)
  if (peer === undefined || peer.port !== 0) throw new InvalidArgumentError('Expected an address.')
  return peer.address
}
