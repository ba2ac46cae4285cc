/** The config file: read, checked and resolved as a whole, with every problem told at once and at its line. */
import { BurrowError, combined } from '../errors.ts'
import { type ImportPlugin, importBuiltIn } from '../plugin/builtin.ts'
import type { Deployment } from '../plugin/deployment.ts'
import { type LoadedPlugin, loadPlugins } from '../plugin/load.ts'
import { planProblems } from '../plugin/plan.ts'
import { schemaProblems } from '../plugin/schema-problems.ts'
import type { TunnelSecret } from '../protocol/config.ts'
import { folderOf, readText } from './node/files.ts'
import { pluginEntries } from './plugin-list.ts'
import { readSecrets } from './secrets.ts'
import { ServerConfig } from './server-config.ts'
import { type PlacedYaml, parseYaml } from './yaml-places.ts'

export interface LoadedConfig {
  readonly file: string
  /** Folder of the file: relative paths in it start here. */
  readonly dir: string
  readonly server: ServerConfig
  readonly secrets: readonly TunnelSecret[]
  /** In order, with checked options. */
  readonly plugins: readonly LoadedPlugin[]
  /** In order: the first that fits a call takes it. */
  readonly deployments: readonly Deployment[]
  /** For the operator, at boot. */
  readonly warnings: readonly string[]
  /** Where the value of a path is written; the nearest enclosing one where there is none. */
  readonly locate: PlacedYaml['locate']
}

/** Reads and checks a config file; throws one coded error that carries every other problem in `also`. */
export async function loadConfig(
  file: string,
  importPlugin: ImportPlugin = importBuiltIn,
): Promise<LoadedConfig> {
  const yaml = parseYaml(file, readConfig(file))
  const checked = checkServer(yaml)
  const list = pluginEntries((yaml.value as { readonly plugins?: unknown }).plugins, yaml.locate)
  const loaded = await loadPlugins(list.entries, importPlugin)
  const broken = [...list.problems, ...loaded.problems]
  // Whoever provides what is missing may be one of those that did not load.
  const plan = broken.length === 0 ? planProblems(loaded.plugins) : []
  const read = readSecrets(file, checked.server?.secrets ?? [], yaml)
  const problems = [...checked.problems, ...broken, ...plan, ...read.problems]
  if (checked.server === undefined || problems.length > 0) {
    throw combined(problems.sort((a, b) => (a.place.line ?? 0) - (b.place.line ?? 0)))
  }
  const { secrets, warnings } = read
  return {
    file,
    dir: folderOf(file),
    server: checked.server,
    secrets,
    plugins: loaded.plugins,
    deployments: [],
    warnings,
    locate: yaml.locate,
  }
}

function readConfig(file: string): string {
  try {
    return readText(file)
  } catch (cause) {
    throw new BurrowError('CONFIG_NOT_FOUND', (cause as Error).message, { file }, { cause })
  }
}

function checkServer({ value, locate }: PlacedYaml): {
  readonly server?: ServerConfig
  readonly problems: readonly BurrowError[]
} {
  const checked = ServerConfig.safeParse(value)
  if (checked.success) return { server: checked.data, problems: [] }
  const context = { code: 'CONFIG_INVALID', schema: ServerConfig, input: value, locate } as const
  return { problems: schemaProblems(checked.error, context) }
}
