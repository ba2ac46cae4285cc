/**
 * Burrow's data plane beside l2tpns and a plain forwarder in C, each with 10,000 sessions in its table, and the bare line
 * between the same two ends. Rounds are interleaved, so that a machine that slows down slows all of them; ratios are of one round.
 */
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { table } from '../../../core/cli/table.ts'
import { end, prepare, say } from '../../setup/prepare.ts'
import { ROOT } from '../../support/imports.ts'
import { type BenchOptions, type Figure, figure, MACHINE, type Outcome, quantile } from '../measure.ts'
import { type Drive, flood, otherLoad, ping, type Sample, tcp } from './drive.ts'
import { plotOf } from './plot.ts'
import { openScene, type Variant, type VariantName } from './scene.ts'

export const about =
  'TCP, UDP and ping through Burrow beside l2tpns, plain C and the bare line (root; a quarter of an hour)'

export interface Measure {
  readonly name: string
  readonly unit: 'Gbit/s' | 'kpps' | 'ms'
  readonly drive: Drive
  /** How many times what the others forward. */
  readonly targets?: Readonly<Partial<Record<VariantName, number>>>
  /** The same of what a core forwards. */
  readonly coreTargets?: Readonly<Partial<Record<VariantName, number>>>
}

const one = (packetBytes: number, mergeable: boolean) =>
  ({ sessions: 'one', packetBytes, mergeable }) as const
const many = (packetBytes: number, mergeable: boolean) =>
  ({ sessions: 'many', packetBytes, mergeable }) as const

const MEASURES: readonly Measure[] = [
  {
    name: 'TCP up',
    unit: 'Gbit/s',
    drive: tcp('up', 'offloads'),
    targets: { l2tpns: 4.5, 'plain C': 3.3 },
    coreTargets: { l2tpns: 7 },
  },
  {
    name: 'TCP down',
    unit: 'Gbit/s',
    drive: tcp('down', 'offloads'),
    targets: { l2tpns: 7, 'plain C': 6 },
    coreTargets: { l2tpns: 7 },
  },
  {
    name: 'TCP up, client without offloads',
    unit: 'Gbit/s',
    drive: tcp('up', 'no offloads'),
    targets: { l2tpns: 1.6, 'plain C': 1.4 },
  },
  {
    name: 'TCP down, client without offloads',
    unit: 'Gbit/s',
    drive: tcp('down', 'no offloads'),
    targets: { l2tpns: 2.6, 'plain C': 2.4 },
  },
  {
    name: '64 B up, each of all sessions',
    unit: 'kpps',
    drive: flood('up', many(64, false)),
    targets: { l2tpns: 1, 'plain C': 1 },
  },
  {
    name: '64 B down, each of all sessions',
    unit: 'kpps',
    drive: flood('down', many(64, false)),
    targets: { l2tpns: 1.1, 'plain C': 1.1 },
  },
  { name: '64 B up, one session', unit: 'kpps', drive: flood('up', one(64, false)) },
  { name: '64 B down, one session', unit: 'kpps', drive: flood('down', one(64, false)) },
  { name: '64 B up, one session, mergeable', unit: 'kpps', drive: flood('up', one(64, true)) },
  { name: '64 B down, one session, mergeable', unit: 'kpps', drive: flood('down', one(64, true)) },
  { name: '1400 B up, each of all sessions', unit: 'kpps', drive: flood('up', many(1400, false)) },
  { name: '1400 B down, each of all sessions', unit: 'kpps', drive: flood('down', many(1400, false)) },
  { name: '1400 B up, all sessions, mergeable', unit: 'kpps', drive: flood('up', many(1400, true)) },
  { name: '1400 B down, all sessions, mergeable', unit: 'kpps', drive: flood('down', many(1400, true)) },
  { name: '1400 B up, one session, mergeable', unit: 'kpps', drive: flood('up', one(1400, true)) },
  { name: '1400 B down, one session, mergeable', unit: 'kpps', drive: flood('down', one(1400, true)) },
  { name: 'idle ping', unit: 'ms', drive: ping },
]
const PING_TARGET_MS = 0.1
/** Below this share of a target, `--check` fails. */
const SHARE = 0.88

const SESSIONS = 10_000
/** Of other programs, at most. */
const QUIET_CORES = 0.15
const LEAST_ROUNDS = 3
const SECONDS = 4
/** Without them there is less to compare with, and targets are missed. */
const BASELINES = ['l2tpns', 'gcc', 'libc6-dev']
const RESULTS = join(ROOT, 'bench-results')
const PAGE_PLOT = join(ROOT, 'docs/dataplane.svg')

type Samples = ReadonlyMap<Measure, ReadonlyMap<VariantName, readonly Sample[]>>

export async function run({ rounds, seconds, only, write }: BenchOptions): Promise<Outcome> {
  const lack = await prepare(['network', 'bench', 'radius'])
  const isVital = lack?.packages.every(name => BASELINES.includes(name)) !== true
  if (lack !== undefined && isVital) end(`${lack.reason}; to mend it: ${lack.remedy}`, 1)
  if (lack !== undefined) say(`bench: some baselines are left out: ${lack.reason} (${lack.remedy})`)
  const measures = MEASURES.filter(({ name }) => only === undefined || name.includes(only))
  const ends: (() => unknown)[] = []
  const scope = { after: (end: () => unknown) => void ends.push(end) }
  try {
    const scene = await openScene(scope, SESSIONS)
    const samples = new Map(
      measures.map(
        measure => [measure, new Map(scene.variants.map(({ name }) => [name, [] as Sample[]]))] as const,
      ),
    )
    const all = Math.max(LEAST_ROUNDS, rounds ?? 0)
    const others: number[] = []
    for (let round = 0; round < all; round++)
      for (const [measure, ofVariants] of samples) {
        say(`bench: round ${round + 1} of ${all}: ${measure.name}`)
        others.push(await otherLoad())
        for (const variant of turned(scene.variants, round))
          ofVariants.get(variant.name)?.push(await measure.drive(scene, variant, seconds ?? SECONDS))
      }
    const offloads = await scene.clientAgent.call('offloads', 'offloads')
    const outcome = outcomeOf(samples, scene.variants, [
      `offloads of the client: ${offloads.join(', ') || 'none: both kinds of client are the same'}`,
      ...disturbance(quantile(others, 0.5)),
    ])
    if (write) copyFileSync(join(RESULTS, 'dataplane.svg'), PAGE_PLOT)
    return outcome
  } finally {
    for (const end of ends.reverse()) await end()
  }
}

const disturbance = (cores: number): readonly string[] =>
  cores < QUIET_CORES
    ? []
    : [`other programs took ${cores.toFixed(2)} cores meanwhile: no figure here can be trusted`]

/** Who is first in one round is last in the next. */
const turned = <T>(items: readonly T[], by: number): readonly T[] => {
  const first = by % items.length
  return [...items.slice(first), ...items.slice(0, first)]
}

function outcomeOf(samples: Samples, variants: readonly Variant[], facts: readonly string[]): Outcome {
  const figures = [...samples].flatMap(([measure, of]) => ratiosOf(measure, of))
  const names = variants.map(({ name }) => name)
  const programs = programFacts()
  const notes = [
    ...facts,
    ...variants.flatMap(({ notes }) => notes),
    ...[...samples].flatMap(([measure, of]) => limitsOf(measure, of)),
  ]
  const measured = [...samples].map(([{ name, unit }, of]) => ({
    name,
    unit,
    variants: Object.fromEntries(of),
  }))
  const details = { programs, sessions: SESSIONS, notes, measured }
  mkdirSync(RESULTS, { recursive: true })
  writeFileSync(
    join(RESULTS, 'dataplane.json'),
    `${JSON.stringify({ machine: MACHINE, ...details, figures }, null, 2)}\n`,
  )
  writeFileSync(join(RESULTS, 'dataplane.svg'), plotOf([...samples], names))
  const rows = [...samples].map(([measure, of]) => [
    `${measure.name}, ${measure.unit}`,
    ...names.map(name => cell(of.get(name) ?? [])),
  ])
  const text = `${table(['MEDIAN (LEAST - MOST), CORES OF THE LNS', ...names.map(name => name.toUpperCase())], rows)}
${notes.map(note => `- ${note}`).join('\n')}
${RESULTS}/dataplane.json, dataplane.svg
`
  return { figures, text, details }
}

const valuesOf = (samples: readonly Sample[] = []) => samples.map(({ value }) => value)

function cell(samples: readonly Sample[]): string {
  const values = valuesOf(samples)
  const cores = samples.map(({ cores = 0 }) => cores)
  const digits = (value: number) => (value >= 100 ? value.toFixed(0) : value.toFixed(2))
  const spread = `${digits(quantile(values, 0.5))} (${digits(Math.min(...values))} - ${digits(Math.max(...values))})`
  return Math.max(...cores) === 0 ? spread : `${spread} ${quantile(cores, 0.5).toFixed(2)}`
}

function ratiosOf(measure: Measure, of: ReadonlyMap<VariantName, readonly Sample[]>): readonly Figure[] {
  const ours = of.get('burrow') ?? []
  if (measure.unit === 'ms') {
    const theirs = of.get('l2tpns') ?? []
    const more = ours.map(({ value }, round) => value - (theirs[round]?.value ?? Number.NaN))
    const name = `${measure.name}, more than l2tpns (target +${PING_TARGET_MS})`
    return [figure(name, 'ms', more, PING_TARGET_MS / SHARE)]
  }
  const ratio = (what: string, targets: Measure['targets'], per: (sample: Sample) => number) =>
    Object.entries(targets ?? {}).map(([other, target]) => {
      const theirs = of.get(other as VariantName) ?? []
      const ratios = ours.map((sample, round) => {
        const beside = theirs[round]
        return beside === undefined ? Number.NaN : per(sample) / per(beside)
      })
      return {
        ...figure(`${measure.name}${what} by ${other} (target ${target})`, 'x', ratios),
        least: SHARE * target,
      }
    })
  return [
    ...ratio('', measure.targets, ({ value }) => value),
    ...ratio(' per core', measure.coreTargets, ({ value, cores = Number.NaN }) => value / cores),
  ]
}

function limitsOf(
  { name, unit }: Measure,
  of: ReadonlyMap<VariantName, readonly Sample[]>,
): readonly string[] {
  return [...of].flatMap(([variant, samples]) => {
    const limited = samples.filter(({ clientIsLimit }) => clientIsLimit).length
    if (limited === 0) return []
    const cores = quantile(
      samples.map(({ clientCores }) => clientCores),
      0.5,
    )
    const who = unit === 'kpps' ? 'the sender' : 'the client'
    return [
      `${name}: ${who} is the limit of ${variant} in ${limited} of ${samples.length} rounds (${cores.toFixed(2)} cores)`,
    ]
  })
}

function programFacts() {
  const version = (program: string, ...args: string[]) => {
    try {
      return execFileSync(program, args, { encoding: 'utf8' }).split('\n')[0]
    } catch {
      return 'not there'
    }
  }
  return {
    l2tpns: version('dpkg-query', '-W', 'l2tpns'),
    gcc: version('gcc', '--version'),
    iperf3: version('iperf3', '--version'),
  }
}
