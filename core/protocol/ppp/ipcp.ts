/** IPCP (RFC 1332, RFC 1877): the LNS gives out address, DNS and NBNS; the client takes what it is given. */
import { parseIpv4 } from '../../wire/ip.ts'
import { PPP } from '../../wire/ppp-frame.ts'
import {
  addressOption,
  addressValue,
  type CpOption,
  IPCP_OPTION,
  optionFormat,
} from '../../wire/ppp-options.ts'
import type { EndReason, SessionNetwork } from '../outputs.ts'
import {
  type ControlProtocol,
  CP_START,
  type CpState,
  type Judgement,
  judgeEach,
} from './control-protocol.ts'
import type { PppConfig } from './link-env.ts'

export interface IpcpState extends CpState {
  /** What we grant the peer by option type, dotted; a type that is absent is not to be had. */
  offer: Readonly<Record<number, string>>
  /** What our request asks for, by option type. */
  ask: Record<number, string>
  /** The address that the peer claimed and we acknowledged. */
  peerAddress?: string | undefined
}

export interface IpcpOffer {
  readonly address?: string | undefined
  readonly dns: readonly string[]
  readonly nbns: readonly string[]
}

const UNSPECIFIED = '0.0.0.0'
const NOTHING_ASKED: Record<number, string> = {}

const NO_AGREEMENT: EndReason = {
  cause: 'ppp-failed',
  pppCause: 19,
  text: 'IPCP: the peers do not agree on addresses',
}
const NO_ADDRESS: EndReason = {
  cause: 'no-address',
  pppCause: 19,
  text: 'IPCP: the peer gives us no usable address',
}

/** Of a peer that does without IPv4. */
export const NO_IPV4 = { localAddress: UNSPECIFIED, peerAddress: UNSPECIFIED, dns: [], nbns: [] } as const

export function createIpcp(): IpcpState {
  return { ...CP_START, offer: {}, ask: NOTHING_ASKED }
}

/** Sets what the peer is to get; an entry that is no IPv4 address is left out. */
export function offerNetwork(s: IpcpState, { address, dns, nbns }: IpcpOffer): void {
  const wanted: readonly (readonly [number, string | undefined])[] = [
    [IPCP_OPTION.IP_ADDRESS, address],
    [IPCP_OPTION.PRIMARY_DNS, dns[0]],
    [IPCP_OPTION.SECONDARY_DNS, dns[1]],
    [IPCP_OPTION.PRIMARY_NBNS, nbns[0]],
    [IPCP_OPTION.SECONDARY_NBNS, nbns[1]],
  ]
  const offer: Record<number, string> = {}
  for (const [type, value] of wanted)
    if (value !== undefined && parseIpv4(value) !== undefined) offer[type] = value
  s.offer = offer
}

export const IPCP: ControlProtocol<IpcpState> = {
  protocol: PPP.IPCP,
  timer: 'ipcp-restart',
  noAgreement: NO_AGREEMENT,

  reset(s, { config }) {
    s.ask = {}
    if (config.role === 'lac' || config.localAddress !== UNSPECIFIED)
      s.ask[IPCP_OPTION.IP_ADDRESS] = config.localAddress
    if (config.requestDns) {
      s.ask[IPCP_OPTION.PRIMARY_DNS] = UNSPECIFIED
      s.ask[IPCP_OPTION.SECONDARY_DNS] = UNSPECIFIED
    }
  },

  request: ({ ask }) => Object.entries(ask).map(([type, address]) => addressOption(Number(type), address)),

  judge(s, { config }, options, patient): Judgement {
    const judgement = judgeEach(options, option => judgeOption(s, option))
    const address = s.offer[IPCP_OPTION.IP_ADDRESS]
    if (config.role === 'lac' || address === undefined || judgement.kind === 'reject') return judgement
    const asked = options.some(option => option.type === IPCP_OPTION.IP_ADDRESS)
    if (patient && !asked) {
      const better = judgement.kind === 'nak' ? judgement.options : []
      return { kind: 'nak', options: [...better, addressOption(IPCP_OPTION.IP_ADDRESS, address)] }
    }
    // A peer that insists on another address would come up and be dropped as a spoofer: end it instead.
    const insists =
      judgement.kind === 'nak' && judgement.options.some(option => option.type === IPCP_OPTION.IP_ADDRESS)
    return !patient && insists ? { kind: 'fail', reason: NO_AGREEMENT } : judgement
  },

  agree(s, options) {
    const claimed = options.find(option => option.type === IPCP_OPTION.IP_ADDRESS)
    s.peerAddress = claimed && addressValue(claimed.value)
  },

  agreed: (s, { config }) =>
    config.role === 'lac' && !isUsable(s.ask[IPCP_OPTION.IP_ADDRESS]) ? NO_ADDRESS : undefined,

  refused(s, { config }, kind, options) {
    for (const option of options) {
      if (s.ask[option.type] === undefined) continue
      if (kind === 'reject') {
        if (config.role === 'lac' && option.type === IPCP_OPTION.IP_ADDRESS) return NO_ADDRESS
        delete s.ask[option.type]
      } else if (config.role === 'lac' && optionFormat(PPP.IPCP, option) === 'address') {
        s.ask[option.type] = addressValue(option.value)
      }
    }
    return undefined
  },

  codeRejected: () => {},
  codes: {},
}

/** What was negotiated; MTU apart, which is LCP's. */
export function negotiatedNetwork(s: IpcpState, config: PppConfig): Omit<SessionNetwork, 'mtuBytes'> {
  const { ask, offer } = s
  const localAddress = ask[IPCP_OPTION.IP_ADDRESS] ?? UNSPECIFIED
  const given = config.role === 'lac' ? ask : offer
  const servers = (...types: number[]) => {
    const addresses = types.map(type => given[type]).filter(address => address !== undefined)
    return [...new Set(addresses)].filter(isUsable)
  }
  return {
    localAddress,
    peerAddress: offer[IPCP_OPTION.IP_ADDRESS] ?? s.peerAddress ?? UNSPECIFIED,
    dns: servers(IPCP_OPTION.PRIMARY_DNS, IPCP_OPTION.SECONDARY_DNS),
    nbns: servers(IPCP_OPTION.PRIMARY_NBNS, IPCP_OPTION.SECONDARY_NBNS),
  }
}

/** Options beyond the table of offers (Van Jacobson compression, IP-Addresses, ...) are rejected. */
function judgeOption(s: IpcpState, option: CpOption): 'ack' | 'reject' | CpOption {
  if (optionFormat(PPP.IPCP, option) !== 'address') return 'reject'
  const offered = s.offer[option.type]
  const asked = addressValue(option.value)
  if (offered !== undefined) return offered === asked ? 'ack' : addressOption(option.type, offered)
  // With nothing to give, an address of the peer's own choice will do.
  return option.type === IPCP_OPTION.IP_ADDRESS && isUsable(asked) ? 'ack' : 'reject'
}

/** A unicast address that is not loopback. */
function isUsable(address: string | undefined): boolean {
  const first = Number(address?.split('.')[0] ?? 0)
  return first > 0 && first < 224 && first !== 127
}
