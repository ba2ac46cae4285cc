/** The files of a TLS client, for plugins that connect to servers. */
import { createSecureContext } from 'node:tls'
import { checkCertificate } from '../../crypto.ts'
import { BurrowError, type ErrorCode } from '../../errors.ts'
import type { Logger } from '../../ports.ts'
import { inFolder, isReadableByOthers, readText } from './files.ts'

/** As options name them, in PEM. */
export interface TlsFileOptions {
  /** Certificates that are trusted; the system's where it is absent. */
  readonly caFile?: string | undefined
  /** Our certificate. */
  readonly certFile?: string | undefined
  /** Its key. */
  readonly keyFile?: string | undefined
}

/** What stands in them, in the words of `node:tls`. */
export interface TlsFiles {
  /** Of `caFile`. */
  readonly ca?: string
  /** Of `certFile`. */
  readonly cert?: string
  /** Of `keyFile`. */
  readonly key?: string
}

/**
 * Reads them, relative to the folder of the config, and sees that they fit together; throws `code`, with the file, and logs a
 * warning of a key that others can read.
 */
export function readTlsFiles(
  { caFile, certFile, keyFile }: TlsFileOptions,
  { configDir, log, code }: { readonly configDir: string; readonly log: Logger; readonly code: ErrorCode },
): TlsFiles {
  const attempt = <T>(file: string, run: () => T): T => {
    try {
      return run()
    } catch (cause) {
      throw new BurrowError(code, (cause as Error).message, { file }, { cause })
    }
  }
  const read = (name: keyof TlsFiles, given: string | undefined): TlsFiles => {
    if (given === undefined) return {}
    const file = inFolder(configDir, given)
    const pem = attempt(file, () => readText(file))
    // A key says nothing of itself; it is tried with its certificate below.
    if (name !== 'key') attempt(file, () => checkCertificate(pem))
    else if (isReadableByOthers(file)) log.warn({ file }, 'the key file can be read by others; chmod 600 it')
    return { [name]: pem }
  }
  const files = { ...read('ca', caFile), ...read('cert', certFile), ...read('key', keyFile) }
  if (keyFile !== undefined) attempt(inFolder(configDir, keyFile), () => createSecureContext(files))
  return files
}
