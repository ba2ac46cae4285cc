/** The `burrow` command as a test process. */
import { join } from 'node:path'
import { ROOT } from './imports.ts'
import { type Program, type ProgramOptions, start } from './processes.ts'

const NODE = [process.execPath, '--enable-source-maps']
const MAIN = join(ROOT, 'dist/core/cli/main.js')
export const BURROW = [...NODE, MAIN]

export interface BurrowOptions extends ProgramOptions {
  /** For the engine under it. */
  readonly nodeFlags?: readonly string[]
}

export function burrow(
  words: readonly string[],
  { nodeFlags = [], ...options }: BurrowOptions = {},
): Program {
  return start([...NODE, ...nodeFlags, MAIN, ...words], options)
}
