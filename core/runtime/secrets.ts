/** Tunnel secrets from where the config says that they are. */
import { BurrowError } from '../errors.ts'
import type { TunnelSecret } from '../protocol/config.ts'
import { besides, firstLineOf, isReadableByOthers, isWritableByOthers, variable } from './node/files.ts'
import type { ServerConfig } from './server-config.ts'
import type { PlacedYaml } from './yaml-places.ts'
import { attempted } from './yaml-references.ts'

interface SecretsRead {
  readonly secrets: readonly TunnelSecret[]
  /** The files that they are from. */
  readonly files: readonly string[]
  readonly problems: readonly BurrowError[]
}

type Entry = ServerConfig['secrets'][number]

/** A path is relative to the file that names it. */
export function readSecrets(entries: readonly Entry[], locate: PlacedYaml['locate']): SecretsRead {
  const secrets: TunnelSecret[] = []
  const problems: BurrowError[] = []
  const files: string[] = []
  for (const [index, { name, peerHostName, ...source }] of entries.entries()) {
    const from = sourceOf(source, path => besides(locate(['secrets', index, 'secretFile']).file ?? '', path))
    if (from.file !== undefined) files.push(from.file)
    const secret = from.read()
    if (secret === undefined || secret === '') {
      const text = `secrets[${index}] "${name}": ${from.what} is missing or empty`
      problems.push(new BurrowError('CONFIG_SECRET_MISSING', text, locate(['secrets', index, from.key])))
    } else {
      secrets.push({ name, secret, ...(peerHostName === undefined ? {} : { peerHostName }) })
    }
  }
  return { secrets, problems, files }
}

interface Source {
  readonly key: 'secret' | 'secretFile' | 'secretEnv'
  readonly what: string
  readonly file?: string
  read(): string | undefined
}

function sourceOf(
  { secret, secretFile, secretEnv }: Omit<Entry, 'name' | 'peerHostName'>,
  absolute: (path: string) => string,
): Source {
  if (secretFile !== undefined) {
    const file = absolute(secretFile)
    const read = () => attempted(() => firstLineOf(file))
    return { key: 'secretFile', what: `the file ${file}`, file, read }
  }
  if (secretEnv !== undefined) {
    return { key: 'secretEnv', what: `the variable ${secretEnv}`, read: () => variable(secretEnv) }
  }
  return { key: 'secret', what: 'the secret', read: () => secret }
}

/** For each file that says what is run, whether others can change it. */
export function writableWarnings(files: Iterable<string>): readonly string[] {
  return [...new Set(files)]
    .filter(file => attempted(() => isWritableByOthers(file)))
    .map(file => `${file} names what is run, and others can write it: chmod go-w ${file}`)
}

/** For each file that holds a secret, whether others can read it. One that is not there has its error already. */
export function exposureWarnings(files: Iterable<string>): readonly string[] {
  return [...new Set(files)]
    .filter(file => attempted(() => isReadableByOthers(file)))
    .map(file => `${file} holds a secret and can be read by others: chmod 600 ${file}`)
}
