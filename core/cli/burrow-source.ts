/** Where the running Burrow came from, so that a plugin made by it gets the same one. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve, sep } from 'node:path'

const FILE = 'file:'

/**
 * What npm installs the Burrow in `root` from: that folder, where it is a checkout; else what the project that it is
 * installed in names, with an absolute path; undefined where none does.
 */
export function burrowSource(root: string): string | undefined {
  if (!root.split(sep).includes('node_modules')) return FILE + root
  for (let folder = dirname(root); folder !== dirname(folder); folder = dirname(folder)) {
    const spec = burrowIn(join(folder, 'package.json'))
    if (spec !== undefined)
      return spec.startsWith(FILE) ? FILE + resolve(folder, spec.slice(FILE.length)) : spec
  }
  return undefined
}

function burrowIn(manifest: string): string | undefined {
  if (!existsSync(manifest)) return undefined
  const { dependencies, devDependencies } = JSON.parse(readFileSync(manifest, 'utf8'))
  return dependencies?.burrow ?? devDependencies?.burrow
}
