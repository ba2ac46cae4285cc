// What `npm run docs:api` writes to dist/api, and what every public name must have: test/api-docs.test.ts.
import { readFileSync } from 'node:fs'

const keysOf = (file, table) => {
  const source = readFileSync(new URL(`../${file}`, import.meta.url), 'utf8')
  const [, body = ''] = source.split(`export const ${table} = {\n`)
  return [...body.split('\n}')[0].matchAll(/^ {2}(\w+):/gm)].map(([, key]) => key)
}
const options = keysOf('core/plugin/json-taps.ts', 'JSON_HOOK_OPTIONS')
const hooks = keysOf('core/hooks/hooks.ts', 'HOOKS')

/** @type {Partial<import('typedoc').TypeDocOptions>} */
export default {
  name: 'Burrow',
  entryPoints: ['../core/index.ts', '../core/testing/index.ts'],
  tsconfig: '../tsconfig.json',
  out: '../dist/api',
  readme: 'none',
  // The compiler has looked for errors already.
  skipErrorChecking: true,
  disableSources: true,
  excludeExternals: true,
  excludeInternal: true,
  excludePrivate: true,
  treatWarningsAsErrors: true,
  validation: { notExported: true, invalidLink: true, notDocumented: true },
  requiredToBeDocumented: [
    'Variable',
    'Function',
    'Class',
    'Interface',
    'Property',
    'Method',
    'Accessor',
    'TypeAlias',
  ],
  // What says itself what it is for: remedies, and options with a description in their schema.
  intentionallyNotDocumented: [
    ...keysOf('core/errors.ts', 'ERRORS').map(code => `index.ERRORS.__type.${code}`),
    ...options.map(option => `index.JSON_HOOK_OPTIONS.__type.${option}`),
    ...hooks.map(hook => `index.JSON_HOOK_OPTIONS.__type.hooks.__type.${hook}`),
  ],
  // Behind what is public, and not for plugins.
  intentionallyNotExported: [
    'Credential',
    'DROP_REASONS',
    'LoadedConfig',
    'NamesOf',
    'Observed',
    'PluginHost',
    'ProofData',
    'SessionBook',
  ],
}
