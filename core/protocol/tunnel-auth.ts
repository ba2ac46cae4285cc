/** Tunnel authentication (RFC 2661 5.1.1): a challenge each way, in the manner of CHAP. */
import { constantTimeEqual, md5 } from '../crypto.ts'
import { MESSAGES } from '../wire/control-message.ts'
import type { TunnelSecret } from './config.ts'
import type { Core, TunnelState } from './state.ts'

const toUtf8 = new TextEncoder()
const CHALLENGE_BYTES = 16

/** The first entry that names this peer, or everybody. */
export function secretFor(secrets: readonly TunnelSecret[], peerHostName: string): TunnelSecret | undefined {
  return secrets.find(entry => entry.peerHostName === undefined || entry.peerHostName === peerHostName)
}

/** The secret of a tunnel, or of one that is about to be; a tunnel keeps the one that it was opened with. */
export function secretOf(
  core: Core,
  { key = '', secretName }: Partial<Pick<TunnelState, 'key' | 'secretName'>>,
): Uint8Array | undefined {
  const secret = core.retiredSecrets.get(key) ?? secretNamed(core.config.secrets, secretName)
  return secret === undefined ? undefined : toUtf8.encode(secret)
}

export function secretNamed(
  secrets: readonly TunnelSecret[],
  secretName: string | undefined,
): string | undefined {
  return secrets.find(({ name }) => name === secretName)?.secret
}

/** Our answer to the peer's challenge, carried by `carrier`; undefined where there is none to answer. */
export function answerChallenge(
  core: Core,
  tunnel: TunnelState,
  carrier: 'SCCRP' | 'SCCCN',
): Uint8Array | undefined {
  const secret = secretOf(core, tunnel)
  const { peerChallenge } = tunnel
  delete tunnel.peerChallenge
  if (peerChallenge === undefined || secret === undefined) return undefined
  return respond(carrier, secret, peerChallenge)
}

/** Does `response`, carried by `carrier`, answer our challenge. */
export function challengeMatches(
  core: Core,
  tunnel: TunnelState,
  carrier: 'SCCRP' | 'SCCCN',
  response: Uint8Array | undefined,
): boolean {
  const secret = secretOf(core, tunnel)
  if (secret === undefined || tunnel.challenge === undefined || response === undefined) return false
  return constantTimeEqual(respond(carrier, secret, tunnel.challenge), response)
}

/** Our challenge, where a secret is agreed. */
export function challengePeer(core: Core, tunnel: TunnelState): Uint8Array | undefined {
  if (tunnel.secretName === undefined) return undefined
  tunnel.challenge = core.random.bytes(CHALLENGE_BYTES)
  core.state.challenges.set(hex(tunnel.challenge), tunnel.key)
  return tunnel.challenge
}

/** The peer answered, or never will. */
export function spendChallenge(core: Core, tunnel: TunnelState): void {
  if (tunnel.challenge !== undefined) core.state.challenges.delete(hex(tunnel.challenge))
  delete tunnel.challenge
}

/** A challenge of ours that is still open must never be answered: a peer without the secret could have us do it. */
export function isOwnChallenge(core: Core, challenge: Uint8Array): boolean {
  return core.state.challenges.has(hex(challenge))
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/** MD5(message type that carries the answer, secret, challenge). */
function respond(carrier: 'SCCRP' | 'SCCCN', secret: Uint8Array, challenge: Uint8Array): Uint8Array {
  return md5(Uint8Array.of(MESSAGES[carrier].number), secret, challenge)
}
