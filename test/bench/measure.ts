/** CPU time of several pieces of work, side by side: many short rounds in turn, so that noise hits all of them alike. */

import { cpus, release } from 'node:os'

export const MACHINE = {
  node: process.version,
  kernel: release(),
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
}

/** A figure of a bench. */
export interface Figure {
  readonly name: string
  /** `us`: CPU time per piece of work; `ms`: time that passes; `/s`: pieces of work in a second; `x`: one by the other. */
  readonly unit: 'us' | 'ms' | '/s' | 'x' | '%' | 'Mbit/s' | 'of them'
  readonly median: number
  readonly p10: number
  readonly p90: number
  /** The median must stay below it. */
  readonly limit?: number
  /** The median must reach it. */
  readonly least?: number
}

/** Of benches that have rounds and parts. */
export interface BenchOptions {
  readonly rounds: number | undefined
  /** Of one measurement. */
  readonly seconds: number | undefined
  /** What the names of parts must hold. */
  readonly only: string | undefined
  /** That go through, each way. */
  readonly megabytes: number | undefined
  /** Whether the plot goes into the pages. */
  readonly write: boolean
}

/** Figures, and what else there is to say of them. */
export interface Outcome {
  readonly figures: readonly Figure[]
  readonly text: string
  /** The same as data. */
  readonly details: object
}

export interface Work {
  readonly name: string
  /** Does it once. */
  readonly run: () => Promise<unknown>
  /** How many pieces that is. */
  readonly pieces: number
  readonly limitUs?: number
}

const ROUNDS = 300
const ROUND_US = 4000
/** The compiler of V8 is busy at first, and would be counted. */
const WARM_UP_MS = 1500

/** Measures each in microseconds of CPU time of the whole process (garbage collection too) per piece. */
export async function compare(works: readonly Work[]): Promise<readonly Figure[]> {
  const repeats: number[] = []
  for (const work of works) repeats.push(await warmUp(work))
  const samples = works.map((): number[] => [])
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, work] of works.entries()) {
      const times = repeats[index] ?? 1
      samples[index]?.push((await cpuUs(work, times)) / times / work.pieces)
    }
  }
  return works.map(({ name, limitUs }, index) => figure(name, 'us', samples[index] ?? [], limitUs))
}

export function figure(
  name: string,
  unit: Figure['unit'],
  samples: readonly number[],
  limit?: number,
): Figure {
  const spread = { median: quantile(samples, 0.5), p10: quantile(samples, 0.1), p90: quantile(samples, 0.9) }
  return { name, unit, ...spread, ...(limit === undefined ? {} : { limit }) }
}

export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  return sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN
}

/** How often the work fits a round, once it is warm. */
async function warmUp(work: Work): Promise<number> {
  const start = performance.now()
  let times = 1
  while (performance.now() - start < WARM_UP_MS) {
    const us = Math.max(1, await cpuUs(work, times))
    times = Math.max(1, Math.round((times * ROUND_US) / us))
  }
  return times
}

async function cpuUs({ run }: Work, times: number): Promise<number> {
  const before = process.cpuUsage()
  for (let i = 0; i < times; i++) await run()
  const { user, system } = process.cpuUsage(before)
  return user + system
}
