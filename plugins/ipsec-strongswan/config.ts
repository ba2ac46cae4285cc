import { z } from 'burrow'

const CODE = { code: 'IPSEC_CONFIG' } as const
const word = z.string().min(1).max(255)
const milliseconds = (least: number, most: number) => z.number().int().min(least).max(most)
const proposals = z.array(word).min(1)

export const DEFAULT_SOCKET = '/var/run/charon.vici'

/** What Windows, macOS, iOS and strongSwan propose for L2TP/IPsec, the strong first; no 3DES and no MODP 1024. */
export const IKE_PROPOSALS = [
  'aes256-sha256-modp2048',
  'aes256-sha256-ecp256',
  'aes256-sha384-ecp384',
  'aes256-sha1-modp2048',
  'aes128-sha256-modp2048',
  'aes128-sha1-modp2048',
  'aes256-sha1-ecp384',
  'aes128-sha1-ecp256',
] as const
export const ESP_PROPOSALS = [
  'aes256gcm16',
  'aes128gcm16',
  'aes256-sha256',
  'aes128-sha256',
  'aes256-sha1',
  'aes128-sha1',
] as const

const Connection = z
  .strictObject({
    name: z
      .string()
      .regex(/^[\w.-]{1,48}$/)
      .describe('Its name; charon calls it `burrow-NAME`.'),
    ike: z
      .enum(['1', '2', 'any'])
      .default('any')
      .describe('Version of IKE. L2TP/IPsec of phones and Windows is `1`.'),
    mode: z
      .enum(['transport', 'tunnel'])
      .default('transport')
      .describe('Of ESP. L2TP/IPsec is `transport` (RFC 3193).'),
    auth: z
      .enum(['psk', 'certificate'])
      .default('psk')
      .describe('How both ends prove who they are: by `secrets`, or by `certificates` and `caFiles`.'),
    localAddresses: z.array(word).min(1).exactOptional().describe('Ours. Default: any.'),
    remoteAddresses: z
      .array(word)
      .min(1)
      .exactOptional()
      .describe('Addresses or prefixes of the peers. Default: any.'),
    localId: word.exactOptional().describe('Our identity. Default: the address, or that of the certificate.'),
    remoteId: word.exactOptional().describe('The identity that peers must have. Default: any.'),
    localSelectors: z
      .array(word)
      .min(1)
      .default(['dynamic[udp/1701]'])
      .describe('What is protected on our side: traffic selectors, as swanctl.conf has them.'),
    remoteSelectors: z
      .array(word)
      .min(1)
      .default(['dynamic[udp]'])
      .describe("And on the peer's; phones dial from ports of their own choice."),
    ikeProposals: proposals.default([...IKE_PROPOSALS]).describe('Of IKE, first choice first.'),
    espProposals: proposals.default([...ESP_PROPOSALS]).describe('Of ESP.'),
    dpdDelayS: z
      .number()
      .int()
      .min(0)
      .max(3600)
      .default(30)
      .describe('A peer that was silent for so long is asked; 0: never.'),
    forceUdp: z.boolean().default(false).describe('ESP in UDP even where no NAT is found on the way.'),
  })
  .describe('One connection of charon.')
export type ConnectionOptions = z.output<typeof Connection>

const Secret = z.strictObject({
  psk: z.string().min(1).meta({ secret: true }).describe('The pre-shared key.'),
  peers: z
    .array(word)
    .default([])
    .describe('Identities (usually addresses, or prefixes of them) that it is for. Default: any.'),
})

const Certificate = z.strictObject({
  certFile: word.describe('PEM: our certificate; relative to the folder of the config.'),
  keyFile: word.describe('PEM: its key, without a passphrase.'),
})

export const Options = z
  .strictObject({
    socket: word.default(DEFAULT_SOCKET).describe("charon's VICI socket."),
    require: z
      .boolean()
      .default(true)
      .describe('Refuse L2TP that no SA carries. false: say who is protected, and end what loses its SA.'),
    graceMs: milliseconds(0, 600_000)
      .default(10_000)
      .describe('An SA that is gone has so long to be followed by another with the same peer.'),
    timeoutMs: milliseconds(100, 60_000).default(5000).describe('For one answer of charon.'),
    dropClear: z
      .boolean()
      .default(false)
      .describe(
        'Have the kernel drop L2TP (UDP port 1701) that came in the clear: Burrow never sees it, and logs nothing.',
      ),
    connections: z
      .array(Connection)
      .default([])
      .describe('Connections to load into charon, beside those that it has. Default: none.'),
    secrets: z.array(Secret).default([]).describe('Pre-shared keys to load.'),
    certificates: z.array(Certificate).default([]).describe('Certificates of ours, with their keys.'),
    caFiles: z.array(word).default([]).describe("PEM: whose certificates the peers' may be."),
  })
  .superRefine(({ connections, certificates, caFiles }, context) => {
    const wrong = (path: PropertyKey[], message: string) =>
      context.addIssue({ code: 'custom', path, message, params: CODE })
    const names = connections.map(({ name }) => name)
    for (const [index, { name, auth }] of connections.entries()) {
      if (names.indexOf(name) !== index)
        wrong(['connections', index, 'name'], 'expected each connection by a name of its own')
      if (auth === 'certificate' && (certificates.length === 0 || caFiles.length === 0))
        wrong(['connections', index, 'auth'], 'expected `certificates` and `caFiles` beside it')
    }
  })
export type Options = z.output<typeof Options>
