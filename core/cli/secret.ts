/** Secrets come from a prompt, a file or the environment, never from argv, which every user of the host can read. */
import { BurrowError } from '../errors.ts'
import { firstLineOf, isReadableByOthers } from '../runtime/node/files.ts'

interface SecretSource {
  /** The first line counts. */
  readonly file?: string | undefined
  readonly env?: string | undefined
}

/** The secret that `source` names; undefined when it names none. */
export function readSecret(
  what: string,
  { file, env }: SecretSource,
  warn: (text: string) => void,
): string | undefined {
  if (file !== undefined && env !== undefined) {
    throw new BurrowError('USAGE', `give the ${what} with one of --${what}-file and --${what}-env`)
  }
  const secret = file !== undefined ? fromFile(file, warn) : env !== undefined ? process.env[env] : undefined
  if ((file ?? env) !== undefined && (secret === undefined || secret === '')) {
    throw new BurrowError(
      'CREDENTIALS_MISSING',
      `the ${what} in ${file ?? `the variable ${env}`} is empty or not there`,
    )
  }
  return secret
}

function fromFile(file: string, warn: (text: string) => void): string | undefined {
  try {
    if (isReadableByOthers(file)) warn(`${file} can be read by other users: chmod 600 ${file}`)
    return firstLineOf(file)
  } catch (cause) {
    throw new BurrowError('CREDENTIALS_MISSING', (cause as Error).message, { file }, { cause })
  }
}

const CONTROL = {
  enter: /[\r\n]/,
  interrupt: '\u0003',
  end: '\u0004',
  erase: /[\u007f\b]/,
  eraseAll: '\u0015',
} as const

/** Asks on the terminal without echo. */
export function promptSecret(what: string): Promise<string> {
  const { stdin, stderr } = process
  if (!stdin.isTTY || !stderr.isTTY) {
    throw new BurrowError('CREDENTIALS_MISSING', `there is no ${what}, and no terminal to ask for it`)
  }
  return new Promise((resolve, reject) => {
    let typed = ''
    const done = (settle: () => void) => {
      stdin.off('data', onData).setRawMode(false).pause()
      stderr.write('\n')
      settle()
    }
    const onData = (chunk: string) => {
      for (const key of chunk) {
        if (CONTROL.enter.test(key)) return done(() => resolve(typed))
        if (key === CONTROL.interrupt || key === CONTROL.end) {
          return done(() => reject(new BurrowError('CREDENTIALS_MISSING', `the ${what} was not given`)))
        }
        if (CONTROL.erase.test(key)) typed = [...typed].slice(0, -1).join('')
        else if (key === CONTROL.eraseAll) typed = ''
        else typed += key
      }
    }
    // Without echo first: somebody types as soon as there is a prompt.
    stdin.setEncoding('utf8').setRawMode(true).resume().on('data', onData)
    stderr.write(`${what}: `)
  })
}
