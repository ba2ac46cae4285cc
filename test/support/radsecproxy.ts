/**
 * radsecproxy before a FreeRADIUS of a test: RadSec for many requests at once. Debian's FreeRADIUS 3.2.1 was seen to stop
 * answering on its own TLS listener when several were on one connection; why is not known.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestScope } from '../../core/testing/scope.ts'
import { type Freeradius, freePorts } from './freeradius.ts'
import { type Program, start } from './processes.ts'

export interface Radsecproxy {
  readonly port: number
  /** Connections that it has taken since the last start. */
  connections(): number
  /** As by a crash: every connection breaks. */
  kill(): Promise<void>
  /** On the same port. */
  restart(): Promise<void>
}

/** `another` is asked about users of the realm `another`: each server has at most 256 requests at a time of a proxy. */
export async function startRadsecproxy(
  t: TestScope,
  server: Freeradius,
  another = server,
): Promise<Radsecproxy> {
  const { radsecPort: port } = await freePorts()
  const file = join(server.folder, 'radsecproxy.conf')
  writeFileSync(file, configOf(server, another, port), { mode: 0o600 })
  let program: Program | undefined
  const kill = async () => void (await program?.end('SIGKILL'))
  const restart = async () => {
    await kill()
    program = start(['radsecproxy', '-f', '-c', file])
    await program.says(/listening for tls/i)
  }
  t.after(kill)
  await restart()
  const connections = () => program?.stderr().match(/incoming TLS connection/g)?.length ?? 0
  return { port, connections, kill, restart }
}

function configOf(
  { host, authPort, acctPort, secret, folder }: Freeradius,
  another: Freeradius,
  port: number,
): string {
  return `ListenTLS ${host}:${port}
LogLevel 2
tls default {
  CACertificateFile ${folder}/ca.pem
  CertificateFile ${folder}/server.pem
  CertificateKeyFile ${folder}/server.key
}
client ${host} {
  type tls
  secret radsec
  certificateNameCheck off
}
server auth {
  host ${host}
  port ${authPort}
  type udp
  secret ${secret}
}
server acct {
  host ${host}
  port ${acctPort}
  type udp
  secret ${secret}
}
server another {
  host ${another.host}
  port ${another.authPort}
  type udp
  secret ${another.secret}
}
realm another {
  server another
}
realm * {
  server auth
  accountingServer acct
}
`
}
