/**
 * `npm run bench -- NAME`: prints the figures of a bench as a table, with `--json` as data. With `--check` it ends with
 * status 1 where a figure misses its limit.
 */
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { table } from '../../core/cli/table.ts'
import type { Figure } from './measure.ts'

interface Bench {
  readonly about: string
  /** Its figures, or undefined when it prints for itself. */
  readonly run: () => Promise<readonly Figure[] | undefined>
}

const BENCHES: Readonly<Record<string, () => Promise<Bench>>> = {
  hooks: () => import('./hooks.ts'),
  radius: () => import('./radius.ts'),
  ldap: () => import('./ldap.ts'),
  policy: () => import('./policy.ts'),
  flood: () => import('./flood.ts'),
  'data-plane-rough': async () => ({
    about: 'throughput of the worker between two namespaces, with iperf3 (root)',
    run: async () => void (await import('./data-plane.ts')),
  }),
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean', default: false }, check: { type: 'boolean', default: false } },
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

const figures = ((await (await load()).run()) ?? []).map(figure => ({
  ...figure,
  ok: figure.limit === undefined || figure.median < figure.limit,
}))
const machine = { node: process.version, cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length }
if (values.json) process.stdout.write(`${JSON.stringify({ bench: name, machine, figures }, null, 2)}\n`)
else if (figures.length > 0) process.stdout.write(asText())
if (values.check && figures.some(({ ok }) => !ok)) process.exit(1)

function asText(): string {
  const number = (value: number) => value.toFixed(2)
  const rows = figures.map(({ name, unit, median, p10, p90, limit, ok }) => [
    name,
    `${number(median)} ${unit}`,
    `${number(p10)} - ${number(p90)}`,
    limit === undefined ? '-' : `< ${limit}`,
    limit === undefined ? '-' : ok ? 'yes' : 'NO',
  ])
  const { node, cpu, cores } = machine
  return `${table(['FIGURE', 'MEDIAN', 'P10 - P90', 'LIMIT', 'OK'], rows)}\nNode ${node}, ${cores} x ${cpu}\n`
}
