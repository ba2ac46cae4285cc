/**
 * What the core needs of the world, as interfaces only. Everything that touches a clock, a socket or
 * randomness comes in through one of these, so that tests can hand in a virtual one.
 */

/** A monotonic instant or a span in milliseconds; fractions are allowed. Never wall time. */
export type Milliseconds = number

/** One end of a UDP flow. `address` is textual IPv4 or IPv6 without zone id. */
export interface SocketAddress {
  readonly address: string
  readonly port: number
}

/** The pair of ends that a datagram travelled between; `local` is the address that the peer addressed. */
export interface Path {
  readonly local: SocketAddress
  readonly remote: SocketAddress
}

export interface TimerHandle {
  cancel(): void
}

/** Time. `now` is monotonic; wall time is for records and certificates, never for deadlines. */
export interface Clock {
  now(): Milliseconds
  wallTimeMs(): number
  /** Calls `run` once after `delayMs`, unless cancelled. */
  setTimer(delayMs: Milliseconds, run: () => void): TimerHandle
}

/** Unpredictable in production, seeded in tests. */
export interface Random {
  bytes(count: number): Uint8Array
  /** 0..65535 */
  uint16(): number
  /** 0..2^32-1 */
  uint32(): number
}

export type LogFields = Readonly<Record<string, unknown>>

/** Structured log; `fields` must hold no secret. */
export interface Logger {
  debug(fields: LogFields, message: string): void
  info(fields: LogFields, message: string): void
  warn(fields: LogFields, message: string): void
  error(fields: LogFields, message: string): void
  child(fields: LogFields): Logger
}
