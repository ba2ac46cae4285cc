/** From names in a config to plugins with checked options. */
import { BurrowError, type ErrorPlace, isBurrowError } from '../errors.ts'
import type { AnyPlugin } from './plugin.ts'
import type { ValuePath } from './schema-nodes.ts'
import { markedSecrets } from './schema-nodes.ts'
import { schemaProblems } from './schema-problems.ts'

/** One line of the plugin list. */
export interface PluginEntry {
  /** As it is listed: a plugin of ours, an npm package, or a file. */
  readonly name: string
  readonly options: unknown
  /** The options with references to secrets as they are written; without it, none holds a reference. */
  readonly written?: unknown
  /** The deployment that it is listed in. */
  readonly deployment?: string
  /** What it is called instead of by its own name, where a plugin is listed more than once. */
  readonly as?: string
  readonly onUnavailable?: 'reject' | 'next'
  /** Where an option is written; the empty path: the plugin's own line. */
  readonly locate: (path: ValuePath) => ErrorPlace
}

/** Finds the plugin of an entry. */
export type ImportEntry = (entry: PluginEntry) => Promise<AnyPlugin>

export interface LoadedPlugin {
  /** The plugin's name, or what it is called `as`; `DEPLOYMENT/NAME` inside of a deployment; unique within a config that fits together. */
  readonly id: string
  readonly plugin: AnyPlugin
  readonly deployment?: string
  /** For people: the options as they are written, references and all. */
  readonly written?: unknown
  /** Checked by the plugin's schema, with its defaults. */
  readonly options: unknown
  readonly onUnavailable?: 'reject' | 'next'
  readonly place: ErrorPlace
}

interface LoadResult {
  readonly plugins: readonly LoadedPlugin[]
  readonly problems: readonly BurrowError[]
  /** Each text that a schema marks as a secret, and the file that it stands in. */
  readonly secrets: readonly { readonly text: string; readonly file: string | undefined }[]
}

type Loading = Pick<LoadResult, 'problems' | 'secrets'> & { readonly loaded?: LoadedPlugin }

/** Imports every plugin and checks its options; finds all problems, not only the first. */
export async function loadPlugins(
  entries: readonly PluginEntry[],
  importPlugin: ImportEntry,
): Promise<LoadResult> {
  const results = await Promise.all(entries.map(entry => load(entry, importPlugin)))
  return {
    plugins: results.flatMap(({ loaded }) => loaded ?? []),
    problems: results.flatMap(({ problems }) => problems),
    secrets: results.flatMap(({ secrets }) => secrets),
  }
}

async function load(entry: PluginEntry, importPlugin: ImportEntry): Promise<Loading> {
  const { options, written, deployment, as, onUnavailable, locate } = entry
  let id = entry.name
  const placed = (path: ValuePath) => ({ ...locate(path), plugin: id })
  const input = options ?? {}
  try {
    const plugin = await importPlugin(entry)
    const name = as ?? plugin.name
    id = deployment === undefined ? name : `${deployment}/${name}`
    const secrets = markedSecrets(plugin.config, input).map(({ path, text }) => ({
      text,
      file: locate(path).file,
    }))
    const checked = plugin.config.safeParse(input)
    if (!checked.success) {
      const context = { code: 'PLUGIN_OPTIONS', schema: plugin.config, input: written ?? input } as const
      return { secrets, problems: schemaProblems(checked.error, { ...context, locate: placed }) }
    }
    const loaded = {
      id,
      plugin,
      options: checked.data,
      ...(written === undefined ? {} : { written }),
      ...(deployment === undefined ? {} : { deployment }),
      ...(onUnavailable === undefined ? {} : { onUnavailable }),
      place: placed([]),
    }
    return { loaded, secrets, problems: [] }
  } catch (cause) {
    return { secrets: [], problems: [blamed('PLUGIN_SETUP', placed([]), cause)] }
  }
}

/** The error of a plugin with the plugin's name and, where it names no place of its own, its line in the config. */
export function blamed(
  code: 'PLUGIN_SETUP' | 'PLUGIN_START' | 'PLUGIN_FAULT',
  place: ErrorPlace,
  error: unknown,
): BurrowError {
  if (!isBurrowError(error)) {
    const text = error instanceof Error ? error.message : String(error)
    return new BurrowError(code, text, place, { cause: error })
  }
  // A place in another file keeps its own line; without one, the line that led there is told beside it.
  const { file: from, line: at, ...unplaced } = place
  const { file, line } = error.place
  const listed = file !== undefined && line === undefined && from !== undefined
  const base = file === undefined ? place : unplaced
  return new BurrowError(
    error.code,
    error.message,
    { ...base, ...(listed ? { listedAt: at === undefined ? from : `${from}:${at}` } : {}), ...error.place },
    { cause: error, also: error.also.map(one => blamed(code, place, one)) },
  )
}
