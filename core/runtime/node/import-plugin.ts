/** Finds and loads the plugins that a config lists: ours by name, others as npm packages or files. */

import { execFile } from 'node:child_process'
import { readFileSync, realpathSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { sha256 } from '../../crypto.ts'
import { BurrowError } from '../../errors.ts'
import { BUILT_IN, importBuiltIn } from '../../plugin/builtin.ts'
import { nearest } from '../../plugin/nearest.ts'
import { type AnyPlugin, PLUGIN_NAME } from '../../plugin/plugin.ts'
import { besides, folderOf } from './files.ts'
import { isPackageName, packageEntry } from './npm-package.ts'
import { isTypeScript, NATIVE_TYPESCRIPT, type Transpiler, useTranspiler } from './transpilers.ts'

/** Where a plugin is listed, and how it may be loaded. */
export interface PluginOrigin {
  /** The file that lists it: paths in it are relative to that. */
  readonly from: string
  /** The config itself: npm packages are looked for from its folder upwards. */
  readonly configFile: string
  readonly transpiler?: Transpiler
  /** For the operator, at boot. */
  warn(text: string): void
}

/** Gives the plugin of a name in the config; throws a coded error, which need not name the line. */
export type ImportPlugin = (name: string, origin: PluginOrigin) => Promise<AnyPlugin>

/** Modules may wait for something at their top level. */
const IMPORT_MS = 10_000

export const importPlugin: ImportPlugin = async (name, origin) => {
  if (BUILT_IN.includes(name)) return importBuiltIn(name)
  const found = isPath(name) ? besides(origin.from, name) : packageFile(name, origin)
  // As Node does: imports start at the file itself, not at a link to it.
  const file = orUnreadable(name, () => realpathSync(found))
  const content = contentOf(name, file, origin)
  const { transpiler, configFile } = origin
  if (transpiler !== undefined) useTranspiler(transpiler, configFile)
  else if (isTypeScript(file) && !NATIVE_TYPESCRIPT)
    throw new BurrowError('PLUGIN_TYPESCRIPT', typeScript(name))
  const url = isPath(name) ? `${pathToFileURL(file)}?${version(file, content)}` : pathToFileURL(file).href
  const module = await loaded(name, url).catch(async error => {
    throw await moduleError(name, file, error)
  })
  const plugin = checked(name, module)
  warnOfAnotherBurrow(name, file, origin)
  return plugin
}

const isPath = (name: string) => /^(?:\.{0,2})\//.test(name)

const typeScript = (name: string) =>
  `"${name}" is TypeScript, which Node ${process.versions.node} does not run by itself`

function packageFile(name: string, { configFile }: PluginOrigin): string {
  const folder = folderOf(configFile)
  const file = isPackageName(name) ? orUnreadable(name, () => packageEntry(name, folder)) : undefined
  if (file !== undefined) return file
  const guess = nearest(name, BUILT_IN)
  const hint = guess === undefined ? '' : `; did you mean "${guess}"?`
  const where = `neither one of ours (${BUILT_IN.join(', ')}) nor an npm package that is installed in ${folder} or above`
  throw new BurrowError('PLUGIN_UNKNOWN', `there is no plugin "${name}"${hint} (it is ${where})`)
}

/** Whoever may write the file of a plugin is whoever the server runs as. */
function contentOf(name: string, file: string, { warn }: PluginOrigin): Uint8Array {
  const [mode, content] = orUnreadable(name, () => [statSync(file).mode, readFileSync(file)] as const)
  if ((mode & 0o002) !== 0)
    throw new BurrowError(
      'PLUGIN_MODULE',
      `${file}, a plugin, can be written by everybody: chmod o-w ${file}`,
    )
  if ((mode & 0o020) !== 0) warn(`${file}, a plugin, can be written by its group: chmod g-w ${file}`)
  return content
}

function orUnreadable<T>(name: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    const text = `plugin "${name}" cannot be read: ${(cause as Error).message}`
    throw new BurrowError('PLUGIN_MODULE', text, {}, { cause })
  }
}

/** Another content of a file is another module to Node, so that a reload reads it anew. */
function version(file: string, content: Uint8Array): string {
  // CommonJS is kept by its path alone.
  delete createRequire(file).cache[file]
  return `content=${Buffer.from(sha256(content)).toString('hex', 0, 8)}`
}

async function loaded(name: string, url: string): Promise<{ readonly default?: unknown }> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_resolve, reject) => {
    const text = `plugin "${name}" did not load within ${IMPORT_MS} ms`
    timer = setTimeout(() => reject(new BurrowError('PLUGIN_TIMEOUT', text)), IMPORT_MS)
  })
  try {
    return await Promise.race([import(url), deadline])
  } finally {
    clearTimeout(timer)
  }
}

async function moduleError(name: string, file: string, error: unknown): Promise<BurrowError> {
  if (error instanceof BurrowError && error.code === 'PLUGIN_TIMEOUT') return error
  const { code, message, stack } = error instanceof Error ? (error as NodeJS.ErrnoException) : wrapped(error)
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION' && /\.[cm]?ts"?/.test(message))
    return new BurrowError(
      'PLUGIN_TYPESCRIPT',
      `${typeScript(name)}: ${withoutQuery(message)}`,
      {},
      { cause: error },
    )
  const where =
    placeIn(stack ?? message) ?? (error instanceof SyntaxError ? await syntaxErrorIn(file, message) : file)
  const advice = /Cannot find package 'burrow'/.test(message)
    ? `; install the file that \`npm pack\` makes of Burrow in ${folderOf(file)}, so that the plugin finds it from there`
    : ''
  const text = `plugin "${name}" does not load: ${where}: ${withoutQuery(message)}${advice}`
  return new BurrowError('PLUGIN_MODULE', text, {}, { cause: error })
}

const wrapped = (thrown: unknown): NodeJS.ErrnoException => new Error(String(thrown), { cause: thrown })

const withoutQuery = (text: string) => text.replace(/\?content=[0-9a-f]+/g, '')

/** `file:line` of what an error tells first of its origin, outside of Node itself. */
function placeIn(stack: string): string | undefined {
  const place = /(file:\/\/\/[^\s)?]+|(?<=[\s(]|^)\/[^\s():?]+)(?:\?[^\s:)]*)?:(\d+)/.exec(stack)
  const [, where = '', line] = place ?? []
  if (place === null) return undefined
  return `${where.startsWith('file:') ? fileURLToPath(where) : where}:${line}`
}

/** Node keeps the place of a syntax error to itself, and prints it. */
async function syntaxErrorIn(file: string, message: string): Promise<string> {
  const stderr = await complaintOf(file)
  const [, place] = /^(\/.*:\d+)$/m.exec(stderr) ?? []
  return place !== undefined && stderr.includes(message) ? place : `${file}, or a module that it imports`
}

/** What Node prints of a file that it cannot parse. A server that reloads serves on meanwhile. */
async function complaintOf(file: string): Promise<string> {
  const limits = { timeout: IMPORT_MS, killSignal: 'SIGKILL' } as const
  try {
    return (await promisify(execFile)(process.execPath, ['--check', file], limits)).stderr
  } catch (error) {
    return (error as { readonly stderr?: string }).stderr ?? ''
  }
}

function checked(name: string, module: { readonly default?: unknown }): AnyPlugin {
  const why = whyNoPlugin(module.default)
  if (why === undefined) return module.default as AnyPlugin
  throw new BurrowError('PLUGIN_MODULE', `the module of plugin "${name}" exports no plugin: ${why}`)
}

function whyNoPlugin(value: unknown): string | undefined {
  if (value === undefined) return 'it has no default export; write `export default definePlugin({...})`'
  if (typeof value !== 'object' || value === null) return 'its default export is not made by definePlugin'
  const { name, config, setup } = value as Partial<AnyPlugin>
  if (typeof name !== 'string' || !PLUGIN_NAME.test(name))
    return 'its `name` is not 1 to 64 letters, digits, dots, dashes and underscores'
  if (typeof config?.safeParse !== 'function') return 'its `config` is not a zod schema'
  return typeof setup === 'function' ? undefined : 'its `setup` is not a function'
}

/** Two versions may differ in what they give to a plugin and expect of it. */
function warnOfAnotherBurrow(name: string, file: string, { warn }: PluginOrigin): void {
  const ours = fileURLToPath(new URL('../../index.js', import.meta.url))
  const found = resolved('burrow', file)
  if (found !== undefined && found !== ours)
    warn(`plugin "${name}" uses another copy of Burrow, ${found}; this server is ${ours}`)
}

function resolved(specifier: string, from: string): string | undefined {
  try {
    return createRequire(from).resolve(specifier)
  } catch {
    return undefined
  }
}
