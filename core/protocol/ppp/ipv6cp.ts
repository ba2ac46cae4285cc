/** IPV6CP (RFC 5072): each side has an interface identifier, and no other has it; addresses come later, by other means. */
import { PPP } from '../../wire/ppp-frame.ts'
import { type CpOption, IPV6CP_OPTION, optionFormat } from '../../wire/ppp-options.ts'
import type { EndReason } from '../outputs.ts'
import {
  type ControlProtocol,
  CP_START,
  type CpState,
  type Judgement,
  judgeEach,
} from './control-protocol.ts'
import type { LinkEnv } from './link-env.ts'

/** Identifiers are 16 hexadecimal digits. */
export interface Ipv6cpState extends CpState {
  own: string
  /** That of the peer which we acknowledged. */
  peer?: string | undefined
  /** What we would have the peer use instead of one that will not do. */
  suggestion: string
}

const NO_AGREEMENT: EndReason = {
  cause: 'ppp-failed',
  pppCause: 19,
  text: 'IPV6CP: the peers do not agree on interface identifiers',
}
const NOBODYS = '0'.repeat(16)
/** An LNS is fe80::1 to each of its clients. */
const LNS_IDENTIFIER = '0000000000000001'

export function createIpv6cp(): Ipv6cpState {
  return { ...CP_START, own: NOBODYS, suggestion: NOBODYS }
}

export const IPV6CP: ControlProtocol<Ipv6cpState> = {
  protocol: PPP.IPV6CP,
  timer: 'ipv6cp-restart',
  noAgreement: NO_AGREEMENT,

  reset(s, env) {
    s.peer = undefined
    if (s.own === NOBODYS) s.own = env.config.role === 'lns' ? LNS_IDENTIFIER : randomIdentifier(env)
    s.suggestion = randomIdentifier(env)
  },

  request: ({ own }) => [identifierOption(own)],

  judge(s, _, options, patient): Judgement {
    const judgement = judgeEach(options, option => judgeOption(s, option))
    const named = options.some(({ type }) => type === IPV6CP_OPTION.INTERFACE_IDENTIFIER)
    if (!named && judgement.kind !== 'reject' && patient)
      return { kind: 'nak', options: [identifierOption(s.suggestion)] }
    // Without an identifier of the peer nothing could be told from what we send ourselves.
    const missing = !named || judgement.kind === 'nak'
    return !patient && missing ? { kind: 'fail', reason: NO_AGREEMENT } : judgement
  },

  agree(s, options) {
    const option = options.find(({ type }) => type === IPV6CP_OPTION.INTERFACE_IDENTIFIER)
    s.peer = option && hexOf(option.value)
  },

  agreed: () => undefined,

  refused(s, env, kind, options) {
    if (kind === 'reject') return NO_AGREEMENT
    const option = options.find(({ type }) => type === IPV6CP_OPTION.INTERFACE_IDENTIFIER)
    const better = option?.value.length === 8 ? hexOf(option.value) : NOBODYS
    s.own = better === NOBODYS || better === s.peer ? randomIdentifier(env) : better
    return undefined
  },

  codeRejected: () => {},
  codes: {},
}

/** Compression (RFC 5072 4.2) and what is not known are rejected. */
function judgeOption(s: Ipv6cpState, option: CpOption): 'ack' | 'reject' | CpOption {
  if (optionFormat(PPP.IPV6CP, option) !== 'identifier') return 'reject'
  const asked = hexOf(option.value)
  return asked === NOBODYS || asked === s.own ? identifierOption(s.suggestion) : 'ack'
}

const identifierOption = (identifier: string): CpOption => ({
  type: IPV6CP_OPTION.INTERFACE_IDENTIFIER,
  value: Uint8Array.from(Buffer.from(identifier, 'hex')),
})

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Made up, so the bit for "unique on earth" is not set (RFC 5072 4.1); never zero. */
function randomIdentifier({ random }: LinkEnv): string {
  const bytes = random.bytes(8).slice()
  bytes[0] = (bytes[0] ?? 0) & ~0x02
  bytes[7] = (bytes[7] ?? 0) | 0x01
  return hexOf(bytes)
}
