/** The files of a connection's certificates. */
import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { createSecureContext } from 'node:tls'
import { BurrowError, type Logger } from 'burrow'
import type { ServerOptions } from './config.ts'

export interface TlsFiles {
  readonly ca: string
  readonly cert: string
  readonly key: string
  readonly serverName?: string
}

/** Reads them and sees that they fit together; throws RADIUS_SERVER. */
export function readTlsFiles(
  { caFile, certFile, keyFile, serverName }: NonNullable<ServerOptions['tls']>,
  configDir: string,
  log: Logger,
): TlsFiles {
  const read = (file: string) => attempt(resolve(configDir, file), path => readFileSync(path, 'utf8'))
  const certificate = (file: string) => {
    const pem = read(file)
    attempt(resolve(configDir, file), () => new X509Certificate(pem))
    return pem
  }
  const files = { ca: certificate(caFile), cert: certificate(certFile), key: read(keyFile) }
  attempt(resolve(configDir, keyFile), path => {
    createSecureContext(files)
    if ((statSync(path).mode & 0o077) !== 0)
      log.warn({ file: path }, 'the key file can be read by others; chmod 600 it')
  })
  return serverName === undefined ? files : { ...files, serverName }
}

function attempt<T>(file: string, run: (path: string) => T): T {
  try {
    return run(file)
  } catch (cause) {
    throw new BurrowError('RADIUS_SERVER', (cause as Error).message, { file }, { cause })
  }
}
