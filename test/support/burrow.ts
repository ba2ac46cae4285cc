/** The `burrow` command as a test process. */
import { join } from 'node:path'
import { ROOT } from './imports.ts'
import { type Program, type ProgramOptions, start } from './processes.ts'

export const BURROW = [process.execPath, '--enable-source-maps', join(ROOT, 'dist/core/cli/main.js')]

export function burrow(words: readonly string[], options: ProgramOptions = {}): Program {
  return start([...BURROW, ...words], options)
}
