/** What each source file imports, and the rules about it. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The checkout: tests run from dist/test. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

export interface Source {
  /** Path from the checkout, with forward slashes. */
  readonly path: string
  readonly text: string
}

/** Every TypeScript source below `folders`. */
export function readSources(folders: readonly string[], root: string = ROOT): Source[] {
  return folders.flatMap(folder => {
    const entries = readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    return entries
      .filter(entry => entry.isFile() && entry.name.endsWith('.ts'))
      .map(entry => {
        const path = posix.join(entry.parentPath.slice(root.length), entry.name)
        return { path, text: readFileSync(join(root, path), 'utf8') }
      })
  })
}

const FROM = /(?:^|\n)\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/g
const BARE = /(?:^|\n)\s*import\s*['"]([^'"]+)['"]/g
const DYNAMIC = /\bimport\s*\(\s*['"]([^'"]+)['"]/g

/** Module specifiers; relative ones as paths from the checkout. */
export function importsOf({ path, text }: Source): string[] {
  const specifiers = [FROM, BARE, DYNAMIC].flatMap(pattern =>
    [...text.matchAll(pattern)].map(match => match[1] ?? ''),
  )
  return specifiers.map(specifier =>
    specifier.startsWith('.') ? posix.normalize(posix.join(posix.dirname(path), specifier)) : specifier,
  )
}

/** The text without comments and strings: what it does, not what it says. */
export function codeOf({ text }: Source): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/(^|[^:])\/\/.*$/gm, '$1')
    .replace(/'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g, "''")
}
