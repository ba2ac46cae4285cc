/** What real peers are held to, as data: each method of each side in each variant is a row, played by `scene.ts`. */

export interface Method {
  readonly name: 'PAP' | 'CHAP' | 'MS-CHAPv2' | 'EAP-MSCHAPv2' | 'EAP-MD5' | 'EAP-TLS' | 'EAP-TLS by RADIUS'
  /** As pppd calls it in `refuse-` and `require-`. */
  readonly pppd: 'pap' | 'chap' | 'mschap-v2' | 'eap'
  /** As `burrow connect --auth` calls it; absent where Burrow's client does not have it. */
  readonly connect?: string
  /** What the log of a pppd that dialled so holds, and of one that was dialled. */
  readonly dialled: RegExp
  readonly served?: RegExp
}

export interface Variant {
  readonly what: string
  /** Lines of pppd's options. */
  readonly options: readonly string[]
  /** What pppd's log shows when they were heeded. */
  readonly logged: RegExp
  /** Of the session, on both ends. */
  readonly mtuBytes: number
  /** What an IPv6 address of the peer begins with. */
  readonly prefix?: string
}

export interface Row {
  readonly peer: string
  /** What the peer is: it dials `burrow serve`, or `burrow connect` dials it. */
  readonly as: 'client' | 'LNS'
  readonly method: Method
  readonly variant: Variant
}

const PEER = 'xl2tpd + pppd'
export const BEHIND_IPSEC = 'xl2tpd + pppd + strongSwan'

const METHODS: readonly Method[] = [
  {
    name: 'PAP',
    pppd: 'pap',
    connect: 'pap',
    dialled: /sent \[PAP AuthReq/,
    served: /rcvd \[PAP AuthReq/,
  },
  {
    name: 'CHAP',
    pppd: 'chap',
    connect: 'chap',
    dialled: /rcvd \[LCP ConfReq .*<auth chap MD5>/,
    served: /rcvd \[LCP ConfAck .*<auth chap MD5>/,
  },
  {
    name: 'MS-CHAPv2',
    pppd: 'mschap-v2',
    connect: 'mschapv2',
    dialled: /rcvd \[CHAP Success id=\S+ "S=[0-9A-F]{40} M="\]/,
    served: /sent \[CHAP Success id=\S+ "S=[0-9A-F]{40}/,
  },
  {
    name: 'EAP-MSCHAPv2',
    pppd: 'eap',
    dialled: /rcvd \[EAP Request id=\S+ MSCHAPv2 Success/,
  },
  {
    name: 'EAP-MD5',
    pppd: 'eap',
    connect: 'eap',
    dialled: /sent \[EAP Response id=\S+ MD5-Challenge/,
    served: /rcvd \[EAP Response id=\S+ MD5-Challenge/,
  },
  { name: 'EAP-TLS', pppd: 'eap', dialled: /sent \[EAP Response id=\S+ TLS/ },
  { name: 'EAP-TLS by RADIUS', pppd: 'eap', dialled: /sent \[EAP Response id=\S+ TLS/ },
]

export const AS_IT_COMES = 'as it comes'
/** Of the reference (LCP MRU 1500): what Burrow allows in these calls. */
export const MRU_BYTES = 1500
/** What the pppd of a guest is told, where the variant does not say another. */
const USUAL_BYTES = 1400
const VARIANTS: readonly Variant[] = [
  {
    what: AS_IT_COMES,
    options: [],
    logged: /sent \[LCP ConfAck .*<pcomp> <accomp>\]/,
    mtuBytes: USUAL_BYTES,
  },
  {
    what: 'noaccomp',
    options: ['noaccomp'],
    logged: /sent \[LCP ConfRej id=\S+ <accomp>\]/,
    mtuBytes: USUAL_BYTES,
  },
  {
    what: 'nopcomp',
    options: ['nopcomp'],
    logged: /sent \[LCP ConfRej id=\S+ <pcomp>\]/,
    mtuBytes: USUAL_BYTES,
  },
  {
    what: 'mru 1280',
    options: ['mru 1280', 'mtu 1280'],
    logged: /sent \[LCP ConfReq id=\S+ <mru 1280>/,
    mtuBytes: 1280,
  },
  {
    // Burrow asks for it. The largest packets of the session are two on the wire, either way.
    what: 'mru 1500',
    options: ['mru 1500', 'mtu 1500'],
    logged: /rcvd \[LCP ConfReq id=\S+ <mru 1500>/,
    mtuBytes: MRU_BYTES,
  },
]

/** Of a client alone: what serves a prefix is Burrow. */
const DUAL_STACK: Variant = {
  what: 'ipv6',
  options: ['+ipv6'],
  logged: /rcvd \[IPV6CP ConfAck/,
  mtuBytes: USUAL_BYTES,
  prefix: '2001:db8:1:',
}

const dialling = METHODS.flatMap(method =>
  [...VARIANTS, DUAL_STACK].map((variant): Row => ({ peer: PEER, as: 'client', method, variant })),
)
const dialled = METHODS.filter(({ served }) => served !== undefined).flatMap(method =>
  VARIANTS.map((variant): Row => ({ peer: PEER, as: 'LNS', method, variant })),
)
const behindIpsec = METHODS.filter(({ connect, pppd }) => connect !== undefined && pppd !== 'eap').flatMap(
  method =>
    VARIANTS.slice(0, 1).map((variant): Row => ({ peer: BEHIND_IPSEC, as: 'client', method, variant })),
)
export const ROWS: readonly Row[] = [...dialling, ...dialled, ...behindIpsec]

/** Kept beside the product, so that no row drops out of it unseen. */
export const ROW_COUNT = 65

export const HEADS = ['PEER', 'AS', 'METHOD', 'WHAT'] as const
export const cellsOf = ({ peer, as, method, variant }: Row): readonly string[] => [
  peer,
  as,
  method.name,
  variant.what,
]
