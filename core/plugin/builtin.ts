import { BurrowError } from '../errors.ts'
import { nearest } from './nearest.ts'
import type { AnyPlugin } from './plugin.ts'

/** The plugins that come with Burrow; each is the default export of `plugins/NAME/index.ts`. */
export const BUILT_IN: readonly string[] = [
  'accounting-file',
  'address-pool',
  'auth-local',
  'hook-exec',
  'hook-http',
  'policy-zones',
]

/** Finds the plugin of a name in the config. */
export type ImportPlugin = (name: string) => Promise<AnyPlugin>

/**
 * Imports a plugin of our own. The path is computed because nothing in the core may depend on a plugin; it is one of a
 * closed list, so that a config cannot make us run another file.
 */
export async function importBuiltIn(name: string): Promise<AnyPlugin> {
  if (!BUILT_IN.includes(name)) {
    const guess = nearest(name, BUILT_IN)
    const hint = guess === undefined ? '' : `; did you mean "${guess}"?`
    throw new BurrowError(
      'PLUGIN_UNKNOWN',
      `there is no plugin "${name}"${hint} (there are: ${BUILT_IN.join(', ')})`,
    )
  }
  const module = (await import(new URL(`../../plugins/${name}/index.js`, import.meta.url).href)) as {
    readonly default: AnyPlugin
  }
  return module.default
}
