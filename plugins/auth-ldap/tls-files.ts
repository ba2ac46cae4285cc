import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { createSecureContext } from 'node:tls'
import { BurrowError, type Logger } from 'burrow'
import type { Options } from './config.ts'
import type { TlsOptions } from './connection.ts'

/** Reads them and sees that they fit together; throws LDAP_CONFIG. */
export function readTlsFiles(
  { caFile, certFile, keyFile, serverName }: Options,
  configDir: string,
  log: Logger,
): TlsOptions {
  const read = (name: 'ca' | 'cert' | 'key', file: string | undefined): TlsOptions => {
    if (file === undefined) return {}
    const path = resolve(configDir, file)
    const pem = attempt(path, () => readFileSync(path, 'utf8'))
    // A key says nothing of itself; it is tried with its certificate below.
    if (name !== 'key') attempt(path, () => new X509Certificate(pem))
    else if ((statSync(path).mode & 0o077) !== 0)
      log.warn({ file: path }, 'the key file can be read by others; chmod 600 it')
    return { [name]: pem }
  }
  const files = { ...read('ca', caFile), ...read('cert', certFile), ...read('key', keyFile) }
  if (keyFile !== undefined) attempt(resolve(configDir, keyFile), () => createSecureContext(files))
  return { ...files, ...(serverName === undefined ? {} : { serverName }) }
}

function attempt<T>(file: string, run: () => T): T {
  try {
    return run()
  } catch (cause) {
    throw new BurrowError('LDAP_CONFIG', (cause as Error).message, { file }, { cause })
  }
}
