import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ADDRESS } from './world.ts'

export const USER = 'hb@hb'
const PASSWORD = 'admin@123'
/** Of the reference. Across the Internet 1400 leaves room for what goes around it. */
export const MRU_BYTES = 1500
/** The pool of the reference. */
export const POOL = /^172\.16\.1\.(?:[2-9]|[1-9]\d|100)$/

export interface DemoFiles {
  readonly config: string
  readonly controlSocket: string
  readonly accounting: string
  readonly trace: string
  readonly passwordFile: string
}

/** The sample's config, for 2.2.2.2 and with files of this run. */
export function writeConfig(folder: string): DemoFiles {
  const files = {
    config: join(folder, 'burrow.yaml'),
    controlSocket: join(folder, 'control.sock'),
    accounting: join(folder, 'accounting.jsonl'),
    trace: join(folder, 'trace.jsonl'),
    passwordFile: join(folder, 'password'),
  }
  const secret = (file: string, text: string) => {
    writeFileSync(file, text, { mode: 0o600 })
    chmodSync(file, 0o600)
  }
  secret(files.passwordFile, `${PASSWORD}\n`)
  secret(join(folder, 'users.yaml'), `- user: ${USER}\n  password: ${PASSWORD}\n`)
  writeFileSync(
    files.config,
    `listen: [${ADDRESS.lns}]
gatewayAddress: ${ADDRESS.gateway}
manageKernel: true
ppp: { mruBytes: ${MRU_BYTES} }
controlSocket: ${files.controlSocket}
log: { format: json }
plugins:
  - auth-local:
      usersFile: users.yaml
  - address-pool:
      pools:
        main:
          ranges: [172.16.1.2-172.16.1.100]
  - policy-zones:
      zones:
        dmz: [pool]
        trust: [192.168.1.0/24]
      rules:
        - { name: dialling, from: untrust, to: local, destination: ${ADDRESS.lns}/32, action: permit }
        - { name: users to intranet, from: dmz, to: trust, source: pool, action: permit }
        - { name: intranet to users, from: trust, to: dmz, destination: pool, action: permit }
  - accounting-file:
      file: ${files.accounting}
`,
  )
  return files
}
