/** From names in a config to plugins with checked options. */
import { BurrowError, type ErrorPlace } from '../errors.ts'
import type { ImportPlugin } from './builtin.ts'
import type { AnyPlugin } from './plugin.ts'
import { schemaProblems, type ValuePath } from './schema-problems.ts'

/** One line of the plugin list. */
export interface PluginEntry {
  readonly name: string
  readonly options: unknown
  readonly onUnavailable?: 'reject' | 'next'
  /** Where an option is written; the empty path: the plugin's own line. */
  readonly locate: (path: ValuePath) => ErrorPlace
}

export interface LoadedPlugin {
  readonly plugin: AnyPlugin
  /** `NAME`, or `DEPLOYMENT/NAME`: in trails, logs and leases. */
  readonly id: string
  /** The deployment whose calls alone it serves. */
  readonly deployment?: string
  /** Checked by the plugin's schema, with its defaults. */
  readonly options: unknown
  readonly onUnavailable?: 'reject' | 'next'
  readonly place: ErrorPlace
}

interface LoadResult {
  readonly plugins: readonly LoadedPlugin[]
  readonly problems: readonly BurrowError[]
}

/** Imports every plugin and checks its options; finds all problems, not only the first. */
export async function loadPlugins(
  entries: readonly PluginEntry[],
  importPlugin: ImportPlugin,
): Promise<LoadResult> {
  const results = await Promise.all(entries.map(entry => load(entry, importPlugin)))
  return {
    plugins: results.flatMap(result => ('plugin' in result ? [result] : [])),
    problems: results.flatMap(result => ('plugin' in result ? [] : result)),
  }
}

async function load(
  { name, options, onUnavailable, locate }: PluginEntry,
  importPlugin: ImportPlugin,
): Promise<LoadedPlugin | readonly BurrowError[]> {
  const place = { ...locate([]), plugin: name }
  const input = options ?? {}
  try {
    const plugin = await importPlugin(name)
    const checked = plugin.config.safeParse(input)
    if (checked.success) {
      return {
        plugin,
        id: plugin.name,
        options: checked.data,
        ...(onUnavailable === undefined ? {} : { onUnavailable }),
        place,
      }
    }
    return schemaProblems(checked.error, {
      code: 'PLUGIN_OPTIONS',
      schema: plugin.config,
      input,
      locate: path => ({ ...locate(path), plugin: name }),
    })
  } catch (cause) {
    return [blamed('PLUGIN_SETUP', place, cause)]
  }
}

/** The error of a plugin with the plugin's name and, where it names no place of its own, its line in the config. */
export function blamed(
  code: 'PLUGIN_SETUP' | 'PLUGIN_START' | 'PLUGIN_FAULT',
  place: ErrorPlace,
  error: unknown,
): BurrowError {
  if (!(error instanceof BurrowError)) {
    const text = error instanceof Error ? error.message : String(error)
    return new BurrowError(code, text, place, { cause: error })
  }
  // A place in another file keeps its own line.
  const { file: _file, line: _line, ...unplaced } = place
  const base = error.place.file === undefined ? place : unplaced
  return new BurrowError(
    error.code,
    error.message,
    { ...base, ...error.place },
    { cause: error, also: error.also },
  )
}
