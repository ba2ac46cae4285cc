/**
 * The DHCPv6 server of a session (RFC 8415): DNS servers, and the prefix that the session was given to delegate. It keeps no state: the
 * prefix is the session's until that ends, whatever the client says of it. Addresses come from the router's prefix (SLAAC).
 */
import { sha256 } from '../../crypto.ts'
import {
  DHCPV6,
  DHCPV6_OPTION,
  DHCPV6_STATUS,
  type Dhcpv6Message,
  type Dhcpv6Option,
  encodeDhcpv6,
  identityAssociation,
  prefixOption,
  statusOption,
} from '../../wire/dhcpv6.ts'

export interface Dhcpv6Facts {
  /** The same after a restart: our identity is made of it. */
  readonly serverName: string
  /** 16 octets each. */
  readonly dns: readonly Uint8Array[]
  readonly delegated?: { readonly bytes: Uint8Array; readonly length: number }
}

/** Half and four fifths of the preferred lifetime (RFC 8415 14.2). */
const LIFETIME = { preferredS: 14_400, validS: 86_400 } as const
const TIMES = { renewS: 7200, rebindS: 11_520 } as const
const NO_TIMES = { renewS: 0, rebindS: 0 } as const
const IDENTITY_BYTES = 4
/** RFC 6355. */
const DUID_UUID = 4
const UUID_BYTES = 16

/** How each message is answered; others are not for a server, or need an address of ours (Confirm). */
const ANSWERS: Readonly<
  Partial<Record<number, { readonly type: number; readonly toUs: 'never' | 'if said' | 'must' }>>
> = {
  [DHCPV6.SOLICIT]: { type: DHCPV6.ADVERTISE, toUs: 'never' },
  [DHCPV6.REQUEST]: { type: DHCPV6.REPLY, toUs: 'must' },
  [DHCPV6.RENEW]: { type: DHCPV6.REPLY, toUs: 'must' },
  [DHCPV6.REBIND]: { type: DHCPV6.REPLY, toUs: 'never' },
  [DHCPV6.RELEASE]: { type: DHCPV6.REPLY, toUs: 'must' },
  [DHCPV6.DECLINE]: { type: DHCPV6.REPLY, toUs: 'must' },
  [DHCPV6.INFORMATION_REQUEST]: { type: DHCPV6.REPLY, toUs: 'if said' },
}

/** Undefined: it is not answered (RFC 8415 16). */
export function answerDhcpv6(message: Dhcpv6Message, facts: Dhcpv6Facts): Uint8Array | undefined {
  const rule = ANSWERS[message.type]
  const client = optionOf(message, DHCPV6_OPTION.CLIENT_ID)
  const server = optionOf(message, DHCPV6_OPTION.SERVER_ID)
  const own = duidOf(facts.serverName)
  if (rule === undefined) return undefined
  if (client === undefined && message.type !== DHCPV6.INFORMATION_REQUEST) return undefined
  if (server === undefined ? rule.toUs === 'must' : rule.toUs === 'never' || !isSame(server, own))
    return undefined
  const rapid = message.type === DHCPV6.SOLICIT && optionOf(message, DHCPV6_OPTION.RAPID_COMMIT) !== undefined
  const gone = message.type === DHCPV6.RELEASE || message.type === DHCPV6.DECLINE
  return encodeDhcpv6({
    type: rapid ? DHCPV6.REPLY : rule.type,
    transactionId: message.transactionId,
    options: [
      ...(client === undefined ? [] : [{ code: DHCPV6_OPTION.CLIENT_ID, value: client }]),
      { code: DHCPV6_OPTION.SERVER_ID, value: own },
      ...(rapid ? [{ code: DHCPV6_OPTION.RAPID_COMMIT, value: new Uint8Array() }] : []),
      ...(gone ? [statusOption(DHCPV6_STATUS.SUCCESS)] : identities(message, facts)),
      ...(facts.dns.length === 0
        ? []
        : [{ code: DHCPV6_OPTION.DNS_SERVERS, value: Buffer.concat(facts.dns) }]),
    ],
  })
}

/** The first association that asks for a prefix gets the one that there is; the others get a reason. */
function identities({ options }: Dhcpv6Message, { delegated }: Dhcpv6Facts): readonly Dhcpv6Option[] {
  let left = delegated
  return options.flatMap(({ code, value }): readonly Dhcpv6Option[] => {
    if (value.length < IDENTITY_BYTES) return []
    const identity = value.subarray(0, IDENTITY_BYTES)
    if (code === DHCPV6_OPTION.IA_NA)
      return [
        { code, value: identityAssociation(identity, NO_TIMES, [statusOption(DHCPV6_STATUS.NO_ADDRESSES)]) },
      ]
    if (code !== DHCPV6_OPTION.IA_PD) return []
    const given = left
    left = undefined
    return [
      {
        code,
        value:
          given === undefined
            ? identityAssociation(identity, NO_TIMES, [statusOption(DHCPV6_STATUS.NO_PREFIX)])
            : identityAssociation(identity, TIMES, [prefixOption(given, LIFETIME)]),
      },
    ]
  })
}

function duidOf(serverName: string): Uint8Array {
  const uuid = sha256(new TextEncoder().encode(`burrow dhcpv6 ${serverName}`)).subarray(0, UUID_BYTES)
  return Uint8Array.from([0, DUID_UUID, ...uuid])
}

const optionOf = ({ options }: Dhcpv6Message, code: number): Uint8Array | undefined =>
  options.find(option => option.code === code)?.value

const isSame = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((octet, at) => octet === b[at])
