/**
 * What the core needs of the world, as interfaces only. Everything that touches a clock, a socket or
 * randomness comes in through one of these, so that tests can hand in a virtual one.
 */

/** A monotonic instant or a span in milliseconds; fractions are allowed. Never wall time. */
export type Milliseconds = number

/** One end of a UDP flow. `address` is textual IPv4 or IPv6 without zone id. */
export interface SocketAddress {
  /** Without brackets and zone id. */
  readonly address: string
  /** UDP port, 0..65535. */
  readonly port: number
}

/** The pair of ends that a datagram travelled between; `local` is the address that the peer addressed. */
export interface Path {
  /** Our end. */
  readonly local: SocketAddress
  /** The peer's end. */
  readonly remote: SocketAddress
}

/** A timer that is armed. */
export interface TimerHandle {
  /** It will not fire; idempotent. */
  cancel(): void
}

/** Time. `now` is monotonic; wall time is for records and certificates, never for deadlines. */
export interface Clock {
  /** Monotonic, from an arbitrary start; fractions are allowed. */
  now(): Milliseconds
  /** Milliseconds since 1970, UTC; may jump. */
  wallTimeMs(): number
  /** Calls `run` once after `delayMs`, unless cancelled. */
  setTimer(delayMs: Milliseconds, run: () => void): TimerHandle
}

/** Unpredictable in production, seeded in tests. */
export interface Random {
  /** As many as asked for. */
  bytes(count: number): Uint8Array
  /** 0..65535 */
  uint16(): number
  /** 0..2^32-1 */
  uint32(): number
}

/** What a line says beside its message. Text from a peer may be raw: the log escapes it. */
export type LogFields = Readonly<Record<string, unknown>>

/** Structured log; `fields` must hold no secret. */
export interface Logger {
  /** For whoever looks for a fault; off by default. */
  debug(fields: LogFields, message: string): void
  /** What an operator may want to know. */
  info(fields: LogFields, message: string): void
  /** What an operator should look at. */
  warn(fields: LogFields, message: string): void
  /** What is broken. */
  error(fields: LogFields, message: string): void
  /** A logger whose lines all carry `fields`. */
  child(fields: LogFields): Logger
}
