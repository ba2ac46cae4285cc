/** The config of a server in memory: a file as an operator writes it, read by the real loader. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { throwProblems } from '../errors.ts'
import { loadPlugins } from '../plugin/load.ts'
import type { AnyPlugin } from '../plugin/plugin.ts'
import { type LoadedConfig, loadConfig } from '../runtime/config-file.ts'
import { type ImportPlugin, importPlugin } from '../runtime/node/import-plugin.ts'
import { aFolder } from './samples.ts'
import type { TestScope } from './scope.ts'

/** Secrets in files that others may read are refused. */
const PRIVATE = 0o600

/** The reference scenario: hb@hb with the password admin@123 gets 172.16.1.51 and reaches the intranet, 192.168.1.0/24. */
const REFERENCE = `
listen: [2.2.2.2]
gatewayAddress: 172.16.1.1
plugins:
  - auth-local: { users: [{ user: hb@hb, password: admin@123, address: 172.16.1.51 }] }
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }
  - policy-zones: { zones: { trust: [192.168.1.0/24] } }
`

/** Where the config comes from; without `config` and `yaml` it is the reference scenario of the README. */
export interface MemoryConfig {
  /** Path of a config file. */
  readonly config?: string
  /** Or the text of one. Relative paths in it lead to `files`. */
  readonly yaml?: string
  /** Files beside `yaml`, by name, that only their owner may read: users, secrets. */
  readonly files?: Readonly<Record<string, string>>
  /**
   * Plugins of your own. One that the config names stands where the config has it, with its options there; this is how
   * one stands in for a plugin of ours, too. The others stand before all that the config names, without options.
   */
  readonly plugins?: readonly AnyPlugin[]
}

/** The path of the config file; what is given as text is written to a folder that is gone after the test. */
export function configFile(t: TestScope, { config, yaml = REFERENCE, files = {} }: MemoryConfig): string {
  if (config !== undefined) return config
  const folder = aFolder(t)
  for (const [name, text] of Object.entries({ ...files, 'burrow.yaml': yaml }))
    writeFileSync(join(folder, name), text, { mode: PRIVATE })
  return join(folder, 'burrow.yaml')
}

/**
 * How to read a config, again and again; `watched` is given each plugin before it is loaded, and what it gives is loaded. A
 * plugin that the config has named once is its to leave out.
 */
export function configReader(
  file: string,
  plugins: readonly AnyPlugin[],
  watched: (plugin: AnyPlugin) => AnyPlugin,
): () => Promise<LoadedConfig> {
  const own = new Map(plugins.map(plugin => [plugin.name, plugin]))
  const unnamed = new Map(own)
  const find: ImportPlugin = async (name, origin) => {
    unnamed.delete(name)
    return watched(own.get(name) ?? (await importPlugin(name, origin)))
  }
  return async () => {
    const config = await loadConfig(file, find)
    const entries = [...unnamed.keys()].map(name => ({
      name,
      options: {},
      locate: () => ({ file: 'the plugins given to startMemoryLns' }),
    }))
    const first = await loadPlugins(entries, async ({ name }) => watched(own.get(name) as AnyPlugin))
    throwProblems(first.problems)
    return { ...config, plugins: [...first.plugins, ...config.plugins] }
  }
}
