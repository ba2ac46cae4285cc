/**
 * `npm run bench -- NAME`: prints the figures of a bench as a table, with `--json` as data. With `--check` it ends with
 * status 1 where a figure misses its limit.
 */
import { parseArgs } from 'node:util'
import { table } from '../../core/cli/table.ts'
import { type BenchOptions, type Figure, MACHINE, type Outcome } from './measure.ts'

interface Bench {
  readonly about: string
  readonly run: (options: BenchOptions) => Promise<readonly Figure[] | Outcome>
}

const BENCHES: Readonly<Record<string, () => Promise<Bench>>> = {
  hooks: () => import('./hooks.ts'),
  radius: () => import('./radius.ts'),
  ldap: () => import('./ldap.ts'),
  policy: () => import('./policy.ts'),
  flood: () => import('./flood.ts'),
  dataplane: () => import('./dataplane/index.ts'),
  integrity: () => import('./integrity.ts'),
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    only: { type: 'string' },
    megabytes: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
})
const [name] = positionals
const load = name === undefined ? undefined : Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined
if (name === undefined || load === undefined) {
  const rows = await Promise.all(
    Object.entries(BENCHES).map(async ([bench, load]) => [bench, (await load()).about]),
  )
  process.stdout.write(table(['BENCH', 'WHAT'], rows))
  if (name !== undefined) process.stderr.write(`burrow: there is no bench "${name}"\n`)
  process.exit(name === undefined ? 0 : 2)
}

const numberOf = (text: string | undefined) => (text === undefined ? undefined : Number(text))
const options = {
  rounds: numberOf(values.rounds),
  seconds: numberOf(values.seconds),
  only: values.only,
  megabytes: numberOf(values.megabytes),
  write: values.write,
}
const outcome = await (await load()).run(options)
const {
  figures: plain,
  text,
  details,
} = 'figures' in outcome ? outcome : { figures: outcome, text: '', details: {} }
// What was not measured is no number, and not well.
const figures = plain.map(figure => ({
  ...figure,
  ok:
    (figure.limit === undefined || figure.median < figure.limit) &&
    (figure.least === undefined || figure.median >= figure.least),
}))
if (values.json)
  process.stdout.write(`${JSON.stringify({ bench: name, machine: MACHINE, figures, ...details }, null, 2)}\n`)
else process.stdout.write(`${text}${figures.length > 0 ? `\n${asText()}` : ''}`)
if (values.check && figures.some(({ ok }) => !ok)) process.exit(1)

function asText(): string {
  const number = (value: number) => value.toFixed(2)
  const rows = figures.map(({ name, unit, median, p10, p90, limit, least, ok }) => [
    name,
    Number.isNaN(median) ? 'not measured' : `${number(median)} ${unit}`,
    `${number(p10)} - ${number(p90)}`,
    limit !== undefined ? `< ${limit}` : least !== undefined ? `>= ${number(least)}` : '-',
    limit === undefined && least === undefined ? '-' : ok ? 'yes' : 'NO',
  ])
  const { node, cpu, cores } = MACHINE
  return `${table(['FIGURE', 'MEDIAN', 'P10 - P90', 'LIMIT', 'OK'], rows)}\nNode ${node}, ${cores} x ${cpu}\n`
}
