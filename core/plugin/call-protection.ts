/** How a client has its call carried by IPsec, by whoever drives an IKE daemon. */
import type { Clock, Logger, Milliseconds, Path } from '../ports.ts'
import type { TunnelProtection } from '../protocol/outputs.ts'

/** What `burrow connect` knows of the IPsec that it is to dial through. */
export interface IpsecDialOptions {
  /** Where the IKE daemon is spoken to. Default: where it usually is. */
  readonly socket?: string
  /** The pre-shared key; absent: certificates. */
  readonly psk?: string
  /** PEM: our certificate, its key, and whose certificates the peer's may be. */
  readonly certificates?: {
    /** Our certificate. */
    readonly certFile: string
    /** Its key. */
    readonly keyFile: string
    /** Whom we believe. */
    readonly caFile: string
  }
  /** Version of IKE. */
  readonly ike: '1' | '2'
  /** Of ESP. */
  readonly mode: 'transport' | 'tunnel'
  /** The other end of IKE, where that is not the LNS itself. */
  readonly gateway?: string
  /** Our identity. Default: our address, or that of the certificate. */
  readonly localId?: string
  /** The identity that the peer must have. Default: any that it can prove; of IKEv2 with a pre-shared key its address. */
  readonly remoteId?: string
  /** How long it may take to come up. */
  readonly setupTimeoutMs: Milliseconds
}

/** What carries a call. */
export interface CallProtection {
  /** For whoever is shown the call. */
  readonly protection: TunnelProtection
  /** Resolves when nothing carries the call any more, with the reason. */
  readonly lost: Promise<string>
  /** Takes it down. Idempotent; never rejects. */
  close(): Promise<void>
}

/** Brings up what carries a call of this path; rejects where it cannot, and leaves nothing behind. `signal` gives up. */
export type ProtectCall = (path: Path, signal: AbortSignal) => Promise<CallProtection>

/** What a module of such a client exports as `protectCalls`. */
export type ProtectCalls = (
  options: IpsecDialOptions,
  world: {
    /** Time and timers. */
    readonly clock: Clock
    /** Never told a secret. */
    readonly log: Logger
  },
) => ProtectCall
