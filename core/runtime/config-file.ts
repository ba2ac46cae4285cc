/** The config file: read, checked and resolved as a whole, with every problem told at once and at its line. */
import { type BurrowError, combined } from '../errors.ts'
import type { Deployment } from '../plugin/deployment.ts'
import { type LoadedPlugin, loadPlugins } from '../plugin/load.ts'
import { planProblems } from '../plugin/plan.ts'
import { schemaProblems } from '../plugin/schema-problems.ts'
import type { TunnelSecret } from '../protocol/config.ts'
import { type Hidden, withoutSecrets } from './hidden.ts'
import { besides, folderOf } from './node/files.ts'
import { type ImportPlugin, importPlugin } from './node/import-plugin.ts'
import { pluginList } from './plugin-list.ts'
import { exposureWarnings, readSecrets, writableWarnings } from './secrets.ts'
import { ServerConfig } from './server-config.ts'
import { type ComposedYaml, composeYaml } from './yaml-references.ts'

/** What a server needs. */
export interface LoadedConfig {
  readonly file: string
  /** Folder of the file: relative paths in options start here. */
  readonly dir: string
  readonly server: ServerConfig
  readonly secrets: readonly TunnelSecret[]
  /** In order, with checked options; those of deployments where they are listed. */
  readonly plugins: readonly LoadedPlugin[]
  /** In order: the first that fits a call takes it. */
  readonly deployments: readonly Deployment[]
  /** For the operator, at boot. */
  readonly warnings: readonly string[]
  /** Each text in it that is a secret, and what to show in its place: the reference as it is written, or `***`. */
  readonly hidden: Hidden
  /** Where the value of a path is written; the nearest enclosing one where there is none. */
  readonly locate: ComposedYaml['locate']
}

/** What `loadConfig` knows of it besides, for people. */
export interface ConfigFile extends LoadedConfig {
  /** The file itself and all that it includes. */
  readonly files: readonly string[]
}

/** Reads and checks a config file; throws one coded error that carries every other problem in `also`. */
export async function loadConfig(file: string, importer: ImportPlugin = importPlugin): Promise<ConfigFile> {
  const yaml = composeYaml(file)
  const checked = checkServer(yaml)
  const list = pluginList(
    yaml,
    checked.server?.secrets.map(({ name }) => name),
  )
  const warnings: string[] = []
  const { transpiler } = checked.server ?? {}
  const loaded = await loadPlugins(list.entries, ({ name, locate }) =>
    importer(name, {
      from: locate([]).file ?? file,
      configFile: file,
      warn: text => void warnings.push(text),
      ...(transpiler === undefined ? {} : { transpiler }),
    }),
  )
  const broken = [...list.problems, ...loaded.problems]
  // Whoever provides what is missing may be one of those that did not load.
  const plan = broken.length === 0 ? planProblems(loaded.plugins) : []
  const read = readSecrets(checked.server?.secrets ?? [], yaml.locate)
  const marked = loaded.secrets.filter(({ text }) => !yaml.referenced.has(text))
  const hidden = new Map([...marked.map(({ text }) => [text, '***'] as const), ...yaml.referenced])
  const problems = [...checked.problems, ...broken, ...plan, ...read.problems]
  if (checked.server === undefined || problems.length > 0)
    throw combined(inOrder(problems, yaml.files).map(problem => withoutSecrets(problem, hidden)))
  const holders = [...yaml.secretFiles, ...read.files, ...marked.map(({ file = '' }) => file)]
  return {
    file,
    dir: folderOf(file),
    server: { ...checked.server, controlSocket: besides(file, checked.server.controlSocket) },
    secrets: read.secrets,
    plugins: loaded.plugins,
    deployments: list.deployments,
    // A plugin file may be listed in several deployments.
    warnings: [
      ...new Set([
        ...list.warnings,
        ...warnings,
        ...writableWarnings(yaml.files),
        ...exposureWarnings(holders),
      ]),
    ],
    files: yaml.files,
    hidden,
    locate: yaml.locate,
  }
}

function checkServer({ value, written, locate }: ComposedYaml): {
  readonly server?: ServerConfig
  readonly problems: readonly BurrowError[]
} {
  const checked = ServerConfig.safeParse(value)
  if (checked.success) return { server: checked.data, problems: [] }
  const context = { code: 'CONFIG_INVALID', schema: ServerConfig, input: written, locate } as const
  return { problems: schemaProblems(checked.error, context) }
}

/** As they are read: by file, then by line. */
function inOrder(problems: readonly BurrowError[], files: readonly string[]): readonly BurrowError[] {
  const rank = ({ place }: BurrowError) => files.indexOf(place.file ?? '')
  return problems
    .flatMap(problem => [problem, ...problem.also])
    .sort((a, b) => rank(a) - rank(b) || (a.place.line ?? 0) - (b.place.line ?? 0))
}
