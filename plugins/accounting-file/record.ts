import type { SessionDown, SessionUp, SessionUpdate } from 'burrow'

export type Told =
  | ({ readonly event: 'start' } & SessionUp)
  | ({ readonly event: 'interim' } & SessionUpdate)
  | ({ readonly event: 'stop' } & SessionDown)

/** One line, with its newline. Octets and packets are exact up to 2^53 (9 PB), where JSON readers end. */
export function recordLine(told: Told, wallTimeMs: number): string {
  const { event, session, grant, network } = told
  const { address, port } = session.tunnel.path.remote
  const record = {
    time: new Date(wallTimeMs).toISOString(),
    event,
    session: session.id,
    user: grant.user,
    peerAddress: address,
    peerPort: port,
    address: network.peerAddress,
    ...prefixes(told),
    ...(told.event === 'start' ? {} : usage(told)),
    ...(told.event === 'stop' ? { cause: told.reason.cause, text: told.reason.text } : {}),
  }
  return `${escapeInvisible(JSON.stringify(record))}\n`
}

/** Of IPv6, where the session has any. */
function prefixes({ leases }: SessionUp) {
  const values = leases.flatMap(({ kind, value }) => (kind === 'ipv4' ? [] : [value]))
  return values.length === 0 ? {} : { prefixes: values }
}

function usage({ counters, durationMs }: SessionUpdate) {
  return {
    durationS: Math.round(durationMs) / 1000,
    octetsIn: Number(counters.octetsIn),
    octetsOut: Number(counters.octetsOut),
    packetsIn: Number(counters.packetsIn),
    packetsOut: Number(counters.packetsOut),
  }
}

/**
 * JSON's own escapes for what could act on a terminal, forge a line or hide: controls, separators, formatting. The value
 * stays what it is.
 */
function escapeInvisible(json: string): string {
  return json.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu, text =>
    [...Array(text.length).keys()]
      .map(index => `\\u${text.charCodeAt(index).toString(16).padStart(4, '0')}`)
      .join(''),
  )
}
