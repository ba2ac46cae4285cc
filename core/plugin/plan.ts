/** Whether a list of plugins fits together, told before any of them is set up. */
import { BurrowError, type ErrorPlace } from '../errors.ts'
import type { LoadedPlugin } from './load.ts'

const at = ({ file, line }: ErrorPlace) => (file === undefined ? '' : ` (${file}:${line ?? '?'})`)
const named = ({ plugin, place }: LoadedPlugin) => `"${plugin.name}"${at(place)}`

/** Every capability that is missing, offered too late or offered twice, and every plugin that is listed twice. */
export function planProblems(plugins: readonly LoadedPlugin[]): readonly BurrowError[] {
  return plugins.flatMap((loaded, index) => [
    ...twice(loaded, plugins.slice(0, index)),
    ...conflicts(loaded, plugins.slice(0, index)),
    ...unmet(loaded, plugins.slice(0, index), plugins.slice(index + 1)),
  ])
}

function twice(loaded: LoadedPlugin, earlier: readonly LoadedPlugin[]): readonly BurrowError[] {
  const first = earlier.find(({ plugin }) => plugin.name === loaded.plugin.name)
  if (first === undefined) return []
  const message = `plugin ${named(loaded)} is already listed${at(first.place)}`
  return [new BurrowError('PLUGIN_CONFLICT', message, loaded.place)]
}

function conflicts(loaded: LoadedPlugin, earlier: readonly LoadedPlugin[]): readonly BurrowError[] {
  const single = (loaded.plugin.provides ?? []).filter(({ arity }) => arity === 'one')
  return single.flatMap(({ name }) => {
    const first = earlier.find(other => other.plugin.name !== loaded.plugin.name && provides(other, name))
    if (first === undefined) return []
    const message = `${named(loaded)} and ${named(first)} both provide "${name}", of which there can be one`
    return [new BurrowError('PLUGIN_CONFLICT', message, loaded.place)]
  })
}

function unmet(
  loaded: LoadedPlugin,
  earlier: readonly LoadedPlugin[],
  later: readonly LoadedPlugin[],
): readonly BurrowError[] {
  return (loaded.plugin.requires ?? []).flatMap(({ name, arity }) => {
    const late = later.find(other => provides(other, name))
    const met = arity === 'many' || earlier.some(other => provides(other, name))
    // A `many` that misses a provider below it would silently see a part of the list.
    if (late !== undefined && (arity === 'many' || !met)) {
      const message = `${named(loaded)} requires "${name}", which ${named(late)} provides further down the list`
      return [new BurrowError('PLUGIN_ORDER', message, loaded.place)]
    }
    if (met) return []
    const message = `${named(loaded)} requires "${name}", which no plugin of the list provides`
    return [new BurrowError('PLUGIN_REQUIRES', message, loaded.place)]
  })
}

const provides = ({ plugin }: LoadedPlugin, name: string) =>
  plugin.provides?.some(capability => capability.name === name) ?? false
