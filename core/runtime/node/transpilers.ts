/** TypeScript plugins on a Node that does not run them by itself, or that need more than types taken away. */
import { createRequire, register } from 'node:module'
import { pathToFileURL } from 'node:url'
import { BurrowError } from '../../errors.ts'
import { absolute, folderOf } from './files.ts'

/** npm packages that Burrow can transpile with; how, stands in transpiler-hooks.ts. */
export const TRANSPILERS = ['esbuild'] as const
export type Transpiler = (typeof TRANSPILERS)[number]

/** Node 22.18 and later; its older types do not know. */
export const NATIVE_TYPESCRIPT: boolean = Boolean((process.features as { typescript?: unknown }).typescript)

export const isTypeScript = (file: string): boolean => /\.[cm]?ts$/.test(file)

/** A hook of Node's loader stays for good. */
const inUse = new Set<string>()

/** From now on every TypeScript module is loaded through the package, of the config's folder or of Burrow's own. */
export function useTranspiler(name: Transpiler, configFile: string): void {
  const url = [absolute(configFile), import.meta.url]
    .map(from => urlOf(name, from))
    .find(found => found !== undefined)
  if (url === undefined) {
    const text = `the transpiler "${name}" is not installed in ${folderOf(configFile)} or above`
    throw new BurrowError('PLUGIN_TYPESCRIPT', text)
  }
  if (inUse.has(url)) return
  inUse.add(url)
  // So that an error names the line of the source.
  process.setSourceMapsEnabled(true)
  register(new URL('./transpiler-hooks.js', import.meta.url), { data: { name, url } })
}

function urlOf(name: string, from: string): string | undefined {
  try {
    return pathToFileURL(createRequire(from).resolve(name)).href
  } catch {
    return undefined
  }
}
