/**
 * What a LAC negotiated with the client in our stead (RFC 2661 4.4.5), and hands over with the call. It counts where the config believes it
 * (`PppConfig.proxy`) and the two of us could have agreed on the same; else LCP begins anew, as if nothing had been said.
 */
import { encodeChap, encodePap, encodeText } from '../../wire/ppp-auth.ts'
import { decodeOptions } from '../../wire/ppp-options.ts'
import type { ProofState } from './auth.ts'
import { adoptLcp, type LcpState } from './lcp.ts'
import type { LinkEnv } from './link-env.ts'

export interface Proxied {
  /** Options of the last Configure-Request that the LAC sent to the client, and of the last that it received. */
  readonly lastSent?: Uint8Array
  readonly lastReceived?: Uint8Array
  readonly auth?: ProxiedAuth
}

/** What the LAC has of the client's proof. */
export interface ProxiedAuth {
  /** 4.4.5 Proxy Authen Type. */
  readonly type: number
  readonly name: string
  readonly identifier: number
  readonly challenge?: Uint8Array
  readonly response: Uint8Array
}

const TYPE = { CHAP: 2, PAP: 3 } as const

/** Takes over LCP as it was agreed on. False: it is to be negotiated. */
export function adoptNegotiation(s: LcpState, env: LinkEnv, { lastSent, lastReceived }: Proxied): boolean {
  if (env.config.proxy === 'renegotiate' || lastSent === undefined || lastReceived === undefined) return false
  const [sent, received] = [decodeOptions(lastSent), decodeOptions(lastReceived)]
  if (sent !== undefined && received !== undefined) return adoptLcp(s, env, { sent, received })
  env.drop('ppp-malformed')
  return false
}

/**
 * The packet by which the client would have proved itself to us; undefined where it is to do so itself. Of CHAP, `proof` then has the
 * challenge of the LAC.
 */
export function proxiedPacket(
  proof: ProofState,
  env: LinkEnv,
  auth: ProxiedAuth | undefined,
): Uint8Array | undefined {
  if (env.config.proxy !== 'accept' || auth === undefined) return undefined
  const { type, identifier, challenge, response } = auth
  const name = encodeText(auth.name)
  if (type === TYPE.PAP && proof.method === 'pap') {
    if (name.length > 255 || response.length > 255) return undefined
    return encodePap({ kind: 'request', identifier, user: name, password: response })
  }
  if (type !== TYPE.CHAP || proof.method !== 'chap-md5' || challenge === undefined || response.length > 255)
    return undefined
  proof.identifier = identifier
  proof.challenge = challenge
  proof.transmissions = 1
  return encodeChap({ kind: 'response', identifier, value: response, name })
}
