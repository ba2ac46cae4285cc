import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Folder of package.json, wherever the package was built or installed to. */
export const PACKAGE_ROOT = (() => {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder)
  return folder
})()

export const VERSION: string = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')).version

/** What `serve` serves when it is told nothing else. */
export const SAMPLE_CONFIG = join(PACKAGE_ROOT, 'examples', '01-reference', 'burrow.yaml')

/** What `burrow plugin new` makes packages of. */
export const TEMPLATES = join(PACKAGE_ROOT, 'templates', 'plugin')
