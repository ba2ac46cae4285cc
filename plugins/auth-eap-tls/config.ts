import { z } from 'burrow'

const file = z.string().min(1)

export const Options = z.strictObject({
  caFile: file.describe('Certificates that users must have been given theirs by, PEM.'),
  certFile: file.describe('Our certificate, with those between it and its root, PEM.'),
  keyFile: file.describe('Its key, PEM.'),
  crlFile: file
    .exactOptional()
    .describe('Certificates that were taken back, PEM; read at start and by a reload.'),
  minVersion: z
    .enum(['TLSv1.2', 'TLSv1.3'])
    .default('TLSv1.2')
    .describe('The oldest version of TLS that is taken.'),
  realms: z
    .array(z.string().min(1))
    .min(1)
    .exactOptional()
    .describe('Only for users of these realms (user@REALM); others are passed on. Default: everybody.'),
  names: z
    .array(z.enum(['email', 'dns', 'cn']))
    .min(1)
    .default(['email', 'cn'])
    .describe('What of a certificate is a name of its user, first choice first.'),
  identity: z
    .enum(['certificate', 'any'])
    .default('certificate')
    .describe(
      'What the peer calls itself: one of the names of its certificate; or anything, and the first name counts.',
    ),
  handshakes: z
    .number()
    .int()
    .min(1)
    .max(65_536)
    .default(512)
    .describe('At a time; beyond, it is unavailable.'),
  handshakeMs: z
    .number()
    .int()
    .min(1000)
    .max(120_000)
    .default(30_000)
    .describe('From the first message to the last.'),
})
export type Options = z.output<typeof Options>
