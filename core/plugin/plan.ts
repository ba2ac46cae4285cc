/** Whether a list of plugins fits together, told before any of them is set up. */
import { BurrowError, type ErrorPlace } from '../errors.ts'
import type { LoadedPlugin } from './load.ts'

type Plugins = readonly LoadedPlugin[]

const at = ({ file, line }: ErrorPlace) => (file === undefined ? '' : ` (${file}:${line ?? '?'})`)
const named = ({ id, place }: LoadedPlugin) => `"${id}"${at(place)}`

/**
 * Every capability that is missing, offered too late, offered twice or asked for in a circle, and every plugin that is
 * listed twice. What stands outside of deployments and what stands in one of them are one scope; two deployments are not.
 */
export function planProblems(plugins: Plugins): readonly BurrowError[] {
  const cycles = cyclesOf(plugins)
  const inCycle = (from: LoadedPlugin, to: LoadedPlugin) =>
    cycles.some(cycle => cycle.includes(from) && cycle.includes(to))
  const problems = plugins.flatMap((loaded, index) => {
    const earlier = plugins.slice(0, index)
    return [
      ...twice(loaded, earlier),
      ...conflicts(loaded, earlier),
      ...unmet(loaded, earlier, plugins.slice(index + 1), inCycle),
    ]
  })
  return [...cycles.map(cycleProblem), ...problems]
}

function twice(loaded: LoadedPlugin, earlier: Plugins): readonly BurrowError[] {
  const first = earlier.find(({ id }) => id === loaded.id)
  if (first === undefined) return []
  const message = `plugin ${named(loaded)} is already listed${at(first.place)}`
  return [new BurrowError('PLUGIN_CONFLICT', message, loaded.place)]
}

function conflicts(loaded: LoadedPlugin, earlier: Plugins): readonly BurrowError[] {
  const single = (loaded.plugin.provides ?? []).filter(({ arity }) => arity === 'one')
  return single.flatMap(({ name }) => {
    const others = earlier.filter(other => other.id !== loaded.id && inOneScope(other, loaded))
    const first = others.find(other => provides(other, name))
    if (first === undefined) return []
    const message = `${named(loaded)} and ${named(first)} both provide "${name}", of which there can be one`
    return [new BurrowError('PLUGIN_CONFLICT', message, loaded.place)]
  })
}

function unmet(
  loaded: LoadedPlugin,
  earlier: Plugins,
  later: Plugins,
  inCycle: (from: LoadedPlugin, to: LoadedPlugin) => boolean,
): readonly BurrowError[] {
  return (loaded.plugin.requires ?? []).flatMap(({ name, arity }) => {
    const provider = (list: Plugins) => list.find(other => sees(loaded, other) && provides(other, name))
    const late = provider(later)
    const met = arity === 'many' || provider(earlier) !== undefined
    // A `many` that misses a provider below it would silently see a part of the list.
    if (late !== undefined && (arity === 'many' || !met)) {
      if (inCycle(loaded, late)) return []
      const message = `${named(loaded)} requires "${name}", which ${named(late)} provides further down the list`
      return [new BurrowError('PLUGIN_ORDER', message, loaded.place)]
    }
    if (met || inCycle(loaded, loaded)) return []
    const hidden = [...earlier, ...later].find(other => provides(other, name))
    const hint = hidden === undefined ? '' : `; ${named(hidden)} provides it inside of its deployment only`
    const message = `${named(loaded)} requires "${name}", which no plugin of the list provides${hint}`
    return [new BurrowError('PLUGIN_REQUIRES', message, loaded.place)]
  })
}

/** Each set of plugins of which every one needs every other to come first, told once, in the order of asking. */
function cyclesOf(plugins: Plugins): readonly Plugins[] {
  const cycles: Plugins[] = []
  for (const start of plugins) {
    if (cycles.some(cycle => cycle.includes(start))) continue
    const cycle = wayBack(start, plugins)
    if (cycle !== undefined) cycles.push(cycle)
  }
  return cycles
}

/** The shortest way from a plugin over what it requires to itself. */
function wayBack(start: LoadedPlugin, plugins: Plugins): Plugins | undefined {
  const seen = new Set<LoadedPlugin>()
  let ways: readonly Plugins[] = [[start]]
  while (ways.length > 0) {
    const further: Plugins[] = []
    for (const way of ways) {
      for (const next of needs(way.at(-1) ?? start, plugins)) {
        if (next === start) return way
        if (seen.has(next)) continue
        seen.add(next)
        further.push([...way, next])
      }
    }
    ways = further
  }
  return undefined
}

/** Who must come before `loaded`. A plugin that reads the list that it adds to does not wait for itself. */
function needs(loaded: LoadedPlugin, plugins: Plugins): Plugins {
  return (loaded.plugin.requires ?? []).flatMap(({ name, arity }) =>
    plugins.filter(
      other => provides(other, name) && sees(loaded, other) && (arity === 'one' || other !== loaded),
    ),
  )
}

function cycleProblem(cycle: Plugins): BurrowError {
  const steps = cycle.map((loaded, index) => {
    const next = cycle[(index + 1) % cycle.length] ?? loaded
    const what = loaded.plugin.requires?.find(({ name }) => provides(next, name))?.name
    return `${named(loaded)} requires "${what}" of ${named(next)}`
  })
  const text = `plugins that each need the other first: ${steps.join(', ')}`
  return new BurrowError('PLUGIN_CYCLE', text, cycle[0]?.place)
}

const provides = ({ plugin }: LoadedPlugin, name: string) =>
  plugin.provides?.some(capability => capability.name === name) ?? false

/** What a plugin provides inside of a deployment is seen in there alone. */
const sees = (loaded: LoadedPlugin, other: LoadedPlugin) =>
  other.deployment === undefined || other.deployment === loaded.deployment

const inOneScope = (a: LoadedPlugin, b: LoadedPlugin) => sees(a, b) || sees(b, a)
