/** L2TP control messages as hex beside what they say. README.md tells where each comes from. */
import type { ControlMessage } from '../../../core/wire/control-message.ts'
import type { ControlHeader } from '../../../core/wire/l2tp-header.ts'

export interface GoldenMessage {
  readonly name: string
  readonly hex: string
  readonly header: ControlHeader
  /** Absent: a ZLB. */
  readonly message?: ControlMessage
  /** The same message as Burrow sends it, where that is not the same octets: M bits, Random Vector, stale octets. */
  readonly sent?: string
}

/** The tunnel secret that hidden AVPs and challenge responses of these packets were made with. */
export const GOLDEN_SECRET = new TextEncoder().encode('tunnel-secret')

export function octets(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'))
}

export function header(tunnelId: number, sessionId: number, ns: number, nr: number): ControlHeader {
  return { tunnelId, sessionId, ns, nr }
}
