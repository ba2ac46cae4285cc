/** A config for `burrow serve`, with the files that it names, in a folder that goes with the test. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface ServerFiles {
  readonly config: string
  readonly controlSocket: string
  readonly passwordFile: string
  /** The accounting records so far. */
  records(): readonly { readonly event: string; readonly user: string; readonly cause?: string }[]
}

export function serverFiles(
  t: { after(remove: () => void): void },
  { listen = '127.0.0.1', sample = false } = {},
): ServerFiles {
  const folder = mkdtempSync(join(tmpdir(), 'burrow-serve-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const accounting = join(folder, 'accounting.jsonl')
  const files = {
    config: join(folder, 'burrow.yaml'),
    controlSocket: join(folder, 'control.sock'),
    passwordFile: join(folder, 'password'),
    records: () =>
      readFileSync(accounting, 'utf8')
        .trim()
        .split('\n')
        .map(line => JSON.parse(line)),
  }
  const write = (path: string, text: string) => {
    writeFileSync(path, text)
    chmodSync(path, 0o600)
  }
  write(files.passwordFile, 'admin@123\n')
  write(
    files.config,
    `listen: [${listen}]
gatewayAddress: 172.16.1.1
controlSocket: ${files.controlSocket}
log: { format: json }
plugins:
  - auth-local: { users: [{ user: hb@hb, password: admin@123${sample ? ', sample: true' : ''} }] }
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }
  - policy-zones: { zones: { trust: [192.168.1.0/24] } }
  - accounting-file: { file: ${accounting} }
`,
  )
  return files
}
