/** Which file to run, where, and with which variables. */
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { BurrowError } from 'burrow'
import type { Options } from './config.ts'

export interface Program {
  /** Absolute. */
  readonly file: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  /** Whether the group of the file may change it. */
  readonly isWritableByGroup: boolean
}

const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin'

/** Throws HOOK_EXEC when there is no such program, it may not be run, or everybody may change it. */
export function findProgram(options: Options, configDir: string): Program {
  const env = environment(options)
  const cwd = resolve(configDir, options.cwd)
  if (statSync(cwd, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new BurrowError('HOOK_EXEC', `cwd: there is no folder ${cwd}`)
  const [name, ...args] = options.command
  const candidates = name.includes('/')
    ? [resolve(configDir, name)]
    : (env.PATH ?? DEFAULT_PATH).split(delimiter).map(folder => join(folder, name))
  const file = candidates.find(isExecutable)
  if (file === undefined) {
    const where = name.includes('/') ? candidates[0] : `${JSON.stringify(name)} in PATH (${env.PATH})`
    throw new BurrowError('HOOK_EXEC', `command[0]: there is no executable file ${where}`)
  }
  const { mode } = statSync(file)
  // Whoever may write it is whoever the server runs as.
  if ((mode & 0o002) !== 0)
    throw new BurrowError('HOOK_EXEC', `command[0]: ${file} can be written by everybody: chmod o-w ${file}`)
  return { file, args, cwd, env, isWritableByGroup: (mode & 0o020) !== 0 }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}

/** Burrow's own environment may hold secrets: what is not named is not handed on. */
function environment({ env, inheritEnv }: Options): Readonly<Record<string, string>> {
  const inherited = inheritEnv.flatMap(name => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value]]
  })
  return { ...Object.fromEntries(inherited), ...env }
}
