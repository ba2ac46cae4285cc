/** Makes the package of a new plugin from the templates: real files of this repository, in which only names are replaced. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { parse } from 'yaml'
import { BurrowError } from '../errors.ts'
import { BUILT_IN } from '../plugin/builtin.ts'
import { PLUGIN_NAME } from '../plugin/plugin.ts'
import { burrowSource } from './burrow-source.ts'
import { PACKAGE_ROOT, TEMPLATES, VERSION } from './package-root.ts'

/** What a plugin of the template does, by the name that --hook has for it. */
export const TEMPLATE_HOOKS = {
  auth: 'authenticate',
  accounting: 'sessionUp, sessionUpdate and sessionDown',
  policy: 'decidePolicy',
  address: 'assignAddress',
} as const
export type TemplateHook = keyof typeof TEMPLATE_HOOKS

export interface NewPlugin {
  /** Of the package: npm's rules, a scope is allowed. */
  readonly name: string
  readonly hook: TemplateHook
  /** Default: a folder of the plugin's name, here. */
  readonly dir: string | undefined
  /** What npm installs Burrow from: a version, or the path of a package. Default: what the running one came from. */
  readonly burrow: string | undefined
}

const LONGEST_NAME = 214
const PACKAGE_NAME = /^(?:@[a-z0-9~-][\w.~-]*\/)?([a-z][a-z0-9._-]*)$/
/** Beside those of our own plugins: what a name would mean something else for, to npm, to Node or to a config. */
const TAKEN: ReadonlySet<string> = new Set(['burrow', 'deployment', 'node_modules', 'favicon.ico'])

/** Writes the package and returns its folder; USAGE where the name or the folder will not do, before anything is written. */
export function makePlugin({ name, hook, dir, burrow }: NewPlugin): string {
  const plugin = pluginName(name)
  const folder = resolve(dir ?? plugin)
  refuseTaken(folder)
  const files = [join(TEMPLATES, 'common'), join(TEMPLATES, hook)].flatMap(filesBelow)
  const rename = (text: string) => text.replaceAll('my-package', name).replaceAll('my-plugin', plugin)
  try {
    write(join(folder, 'package.json'), `${JSON.stringify(manifest(name, hook, folder, burrow), null, 2)}\n`)
    for (const { path, text } of files) {
      // npm leaves a .gitignore out of the packages that it makes.
      write(join(folder, path === 'gitignore' ? '.gitignore' : path), rename(text))
    }
  } catch (cause) {
    throw usage(`${folder}: ${(cause as Error).message}`, cause)
  }
  return folder
}

/** The name of the plugin in a package: without the scope. */
function pluginName(name: string): string {
  const [, plugin] = PACKAGE_NAME.exec(name) ?? []
  if (plugin === undefined || name.length > LONGEST_NAME || typeof parse(plugin) !== 'string')
    throw usage(
      `"${name}" is no name for a package: expected small letters, digits, . _ -, and perhaps a scope`,
    )
  if (BUILT_IN.includes(plugin)) throw usage(`"${plugin}" is a plugin of Burrow itself`)
  if (TAKEN.has(plugin) || isBuiltin(plugin)) throw usage(`"${plugin}" already means something else`)
  if (!PLUGIN_NAME.test(plugin))
    throw usage(`"${plugin}" is longer than a plugin's name may be: 64 characters`)
  return plugin
}

function refuseTaken(folder: string): void {
  const found = statSync(folder, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isDirectory()) throw usage(`${folder} is a file`)
  if (readdirSync(folder).length > 0) throw usage(`${folder} is not empty`)
}

function manifest(name: string, hook: TemplateHook, folder: string, burrow: string | undefined): object {
  const version = `^${VERSION}`
  const isFile = burrow !== undefined && existsSync(burrow)
  const source = isFile
    ? `file:${relative(folder, resolve(burrow))}`
    : (burrow ?? burrowSource(PACKAGE_ROOT) ?? version)
  return {
    name,
    version: '0.1.0',
    description: `A plugin for Burrow: ${TEMPLATE_HOOKS[hook]}`,
    type: 'module',
    exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' } },
    files: ['dist', '!dist/*.test.*'],
    engines: { node: '>=20.19' },
    scripts: { build: 'tsc', test: 'tsc && node --test dist/*.test.js', prepack: 'tsc' },
    peerDependencies: { burrow: version },
    // Or npm fetches it where it is missing, and the registry has a package of that name that is not ours.
    peerDependenciesMeta: { burrow: { optional: true } },
    devDependencies: {
      '@types/node': '^20.19.0',
      burrow: source,
      // The contract suites of burrow/testing use it.
      'fast-check': '^4.10.0',
      typescript: '~7.0.2',
    },
  }
}

function filesBelow(folder: string): readonly { readonly path: string; readonly text: string }[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(path => statSync(join(folder, path)).isFile())
    .map(path => ({ path, text: readFileSync(join(folder, path), 'utf8') }))
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  // Some hold a password.
  writeFileSync(path, text, { flag: 'wx', mode: path.endsWith('.yaml') ? 0o600 : 0o644 })
}

const usage = (message: string, cause?: unknown) => new BurrowError('USAGE', message, {}, { cause })
