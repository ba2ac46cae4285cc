/** What a peer proves itself with. */
import type { Proof } from '../hooks/views.ts'
import { createNodeRandom } from '../runtime/node/random.ts'
import { createProof, passwordProof } from '../runtime/proof.ts'
import { PROVE } from '../runtime/prove.ts'
import { EAP_TYPE, encodeEap } from '../wire/eap.ts'
import { encodeText } from '../wire/ppp-auth.ts'

const random = createNodeRandom()
/** The response of CHAP does not depend on it. */
const ANYBODY = ''
/** As a link of Ethernet has it. */
const EAP_MTU_BYTES = 1500

/** The proof of a peer that sends `password` with PAP (RFC 1334). */
export const papProof = (password: string): Proof => passwordProof(password)

/** The proof of a peer that knows `secret` and answers a random challenge with CHAP-MD5 (RFC 1994 4.1). */
export const chapProof = (secret: string): Proof => createProof(PROVE['chap-md5'](ANYBODY, secret, random))

/** The proof of a peer that knows `password` and answers random challenges with MS-CHAPv2 (RFC 2759). */
export const mschapv2Proof = (password: string, user = 'hb@hb'): Proof =>
  createProof(PROVE.mschapv2(user, password, random))

/** One packet of a peer that speaks EAP (RFC 3748). Without `packet`: that which names it, as the first round has it. */
export const eapProof = (identity: string, packet = identityResponse(identity)): Proof =>
  createProof({ method: 'eap', identity, packet, mtuBytes: EAP_MTU_BYTES })

const identityResponse = (identity: string) =>
  encodeEap({ kind: 'response', identifier: 1, type: EAP_TYPE.IDENTITY, data: encodeText(identity) })
