/** Where an npm package begins, for an `import` from a folder; Node itself tells that to modules in that folder only. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

export const isPackageName = (name: string): boolean =>
  /^(?:@[a-z0-9~][\w.~-]*\/)?[a-zA-Z0-9~][\w.~-]*$/.test(name)

/** The file that `import 'name'` would load in `folder`; undefined when no such package is installed. */
export function packageEntry(name: string, folder: string): string | undefined {
  const found = join(folder, 'node_modules', name)
  if (existsSync(join(found, 'package.json'))) return entryOf(found)
  const above = dirname(folder)
  return above === folder ? undefined : packageEntry(name, above)
}

function entryOf(folder: string): string {
  const { exports, main } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    readonly exports?: unknown
    readonly main?: unknown
  }
  const entry = exports === undefined ? main : targetOf(exports)
  return join(folder, typeof entry === 'string' ? entry : 'index.js')
}

const CONDITIONS: ReadonlySet<string> = new Set(['node', 'import', 'module-sync', 'default'])

/** The target of "." in the `exports` of a package.json: the first condition that holds. */
function targetOf(exports: unknown): string | undefined {
  if (typeof exports === 'string') return exports
  if (typeof exports !== 'object' || exports === null) return undefined
  if (Array.isArray(exports)) return exports.map(targetOf).find(target => target !== undefined)
  for (const [key, value] of Object.entries(exports)) {
    const target = key === '.' || CONDITIONS.has(key) ? targetOf(value) : undefined
    if (target !== undefined) return target
  }
  return undefined
}
