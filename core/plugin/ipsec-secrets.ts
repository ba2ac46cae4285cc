import { capability } from './capability.ts'

/** A pre-shared key, and whom it is for. */
export interface IpsecSecret {
  /** In clear text. */
  readonly psk: string
  /** Identities of IKE, usually addresses or prefixes; none: anybody. */
  readonly peers: readonly string[]
}

/** Whoever knows pre-shared keys that the config does not have: a directory, a database. */
export interface IpsecSecrets {
  /**
   * All there are, for an IKE daemon that asks nobody when a peer dials. Asked when the plugin that wants them starts, each minute
   * after that, and when the daemon came anew. What it throws leaves those of the last time.
   */
  list(): Promise<readonly IpsecSecret[]>
}

/** Provided by a plugin before `ipsec-strongswan` in the list. */
export const IPSEC_SECRETS = capability<IpsecSecrets>('ipsec-secrets', 'many')
