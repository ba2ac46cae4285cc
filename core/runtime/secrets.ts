/** Tunnel secrets from where the config says that they are. */
import { BurrowError } from '../errors.ts'
import { isSecretKey } from '../plugin/secret-key.ts'
import type { TunnelSecret } from '../protocol/config.ts'
import { besides, firstLineOf, isReadableByOthers, variable } from './node/files.ts'
import type { ServerConfig } from './server-config.ts'
import type { PlacedYaml } from './yaml-places.ts'

interface SecretsRead {
  readonly secrets: readonly TunnelSecret[]
  readonly warnings: readonly string[]
  readonly problems: readonly BurrowError[]
}

type Entry = ServerConfig['secrets'][number]

/** `yaml` is the config itself: it may hold secrets of plugins too. */
export function readSecrets(
  configFile: string,
  entries: readonly Entry[],
  { value, locate }: PlacedYaml,
): SecretsRead {
  const secrets: TunnelSecret[] = []
  const problems: BurrowError[] = []
  const files = new Set(holdsSecret(value) ? [configFile] : [])
  for (const [index, { name, peerHostName, ...source }] of entries.entries()) {
    const from = sourceOf(configFile, source)
    if (from.file !== undefined) files.add(from.file)
    const secret = from.read()
    if (secret === undefined || secret === '') {
      const text = `secrets[${index}] "${name}": ${from.what} is missing or empty`
      problems.push(new BurrowError('CONFIG_SECRET_MISSING', text, locate(['secrets', index, from.key])))
    } else {
      secrets.push({ name, secret, ...(peerHostName === undefined ? {} : { peerHostName }) })
    }
  }
  return { secrets, problems, warnings: [...files].flatMap(exposureWarning) }
}

interface Source {
  readonly key: 'secret' | 'secretFile' | 'secretEnv'
  readonly what: string
  readonly file?: string
  read(): string | undefined
}

function sourceOf(
  configFile: string,
  { secret, secretFile, secretEnv }: Omit<Entry, 'name' | 'peerHostName'>,
): Source {
  if (secretFile !== undefined) {
    const file = besides(configFile, secretFile)
    return { key: 'secretFile', what: `the file ${file}`, file, read: () => firstLine(file) }
  }
  if (secretEnv !== undefined) {
    return { key: 'secretEnv', what: `the variable ${secretEnv}`, read: () => variable(secretEnv) }
  }
  return { key: 'secret', what: 'the secret', read: () => secret }
}

function firstLine(file: string): string | undefined {
  try {
    return firstLineOf(file)
  } catch {
    return undefined
  }
}

function holdsSecret(value: unknown, key = ''): boolean {
  if (Array.isArray(value)) return value.some(item => holdsSecret(item, key))
  if (typeof value !== 'object' || value === null) return isSecretKey(key)
  return Object.entries(value).some(([inner, item]) => holdsSecret(item, inner))
}

function exposureWarning(file: string): readonly string[] {
  try {
    return isReadableByOthers(file)
      ? [`${file} holds a secret and can be read by others: chmod 600 ${file}`]
      : []
  } catch {
    // A file that is not there has its error already.
    return []
  }
}
