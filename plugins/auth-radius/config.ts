import { z } from 'burrow'

const text = z.string().min(1).max(253)
const value = z.union([text, z.number().int().min(0).max(0xffff_ffff)])

export const Options = z.strictObject({
  pool: text.exactOptional().describe('Which servers of radius-client are asked. Default: its first pool.'),
  realms: z
    .array(
      z
        .string()
        .max(253)
        .regex(/^[^@]*$/, 'expected a realm without @'),
    )
    .min(1)
    .exactOptional()
    .describe('Only users of these realms (USER@REALM) are ours; "" are those without one. Default: all.'),
  stripRealm: z
    .boolean()
    .default(false)
    .describe('Ask about USER in place of USER@REALM, with PAP and CHAP: the others hash the name.'),
  timeoutMs: z
    .number()
    .int()
    .min(1000)
    .max(43_000)
    .default(25_000)
    .describe('For one answer. Some servers wait for a person who confirms a push message.'),
  chargeableIdentity: z
    .boolean()
    .default(false)
    .describe('Ask for a Chargeable-User-Identity (RFC 4372 2.1), which goes into the accounting.'),
  attributes: z
    .record(text, z.union([value, z.array(value).min(1)]))
    .default({})
    .describe('Sent with each request, beside what radius-client says of the call.'),
  zones: z.record(text, text).default({}).describe('Security zones by Filter-Id.'),
  filterIsZone: z
    .boolean()
    .default(false)
    .describe('A Filter-Id that `zones` does not list is the name of a zone.'),
  framedNetmask: z
    .enum(['route', 'ignore'])
    .default('route')
    .describe('Framed-IP-Netmask: the net around the address is routed to the user, or not.'),
})
export type Options = z.output<typeof Options>
