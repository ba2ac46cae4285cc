/** Why a directory could not say anything. Of a refusal that speaks of the user nothing is here: that is an answer. */
import type { Server } from './servers.ts'

/** A server, or the way to it, fails: another may do. */
export class ServerFailure extends Error {
  /** `ill`: leave it alone for a while; `closed`: the connection ended, which an idle one may. */
  readonly kind: 'ill' | 'closed'

  constructor(server: Server, text: string, kind: 'ill' | 'closed') {
    super(`${server.name}: ${text}`)
    this.kind = kind
  }
}

/** A server does not know our service account; asked again and again it might lock it, so it is left alone for a while, too. */
export class ServiceRefused extends ServerFailure {
  constructor(server: Server, text: string) {
    super(server, `it refuses our service account (${text})`, 'ill')
  }
}

/** A server works, and does not do what we ask: the config asks for something wrong. */
export class RequestFailure extends Error {
  constructor(server: Server, text: string) {
    super(`${server.name}: ${text}`)
  }
}

/** Nothing could be asked: no server answers, or too many wait. The message holds no secret. */
export class Unavailable extends Error {
  /** Whether a server answers and does not know our service account. */
  readonly serviceRefused: boolean

  constructor(text: string, serviceRefused = false) {
    super(text)
    this.serviceRefused = serviceRefused
  }
}

const LONGEST_TEXT = 160

/** What a server or the system says, shortened; Active Directory ends its texts with a NUL. */
export function causeOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  const plain = text.replaceAll('\0', '').replace(/\s+/g, ' ').trim()
  return plain.length <= LONGEST_TEXT ? plain : `${plain.slice(0, LONGEST_TEXT)}...`
}
