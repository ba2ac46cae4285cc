/**
 * The dictionaries: those of the `radius` package (its files alone are used), ours for what it lacks, and the operator's.
 * Ours are text in TypeScript, so that they are wherever the code is.
 */
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { Dictionary } from '../dictionary.ts'
import { DictionaryReader } from '../dictionary-reader.ts'
import { CISCO } from './cisco.ts'
import { MICROSOFT } from './microsoft.ts'
import { MIKROTIK } from './mikrotik.ts'
import { STANDARD } from './standard.ts'
import { WISPR } from './wispr.ts'

const OURS = { standard: STANDARD, microsoft: MICROSOFT, cisco: CISCO, mikrotik: MIKROTIK, wispr: WISPR }

/** All of them, `files` last. Throws RADIUS_DICTIONARY with every line that is wrong. */
export function readDictionaries(files: readonly string[] = []): Dictionary {
  const reader = new DictionaryReader()
  const folder = packageFolder()
  for (const name of readdirSync(folder).sort()) reader.addFile(join(folder, name))
  for (const [name, text] of Object.entries(OURS)) reader.addText(text, `radius-client/dictionaries/${name}`)
  reader.asDefaults()
  for (const file of files) reader.addFile(file)
  return reader.finish()
}

function packageFolder(): string {
  return join(dirname(createRequire(import.meta.url).resolve('radius/package.json')), 'dictionaries')
}
