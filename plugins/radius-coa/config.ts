import { isIP } from 'node:net'
import { z } from 'burrow'

const name = z.string().min(1)
const ip = z.string().refine(text => isIP(text) !== 0, 'expected an IPv4 or IPv6 address')

/** An address, or the prefix that it may come from. */
const From = z.string().transform((text, context) => {
  const [address = '', length, ...more] = text.split('/')
  const bits = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1
  const prefixLength = length === undefined ? bits : /^\d{1,3}$/.test(length) ? Number(length) : -1
  if (more.length === 0 && prefixLength >= 0 && prefixLength <= bits)
    return { text, address, prefixLength, family: bits === 32 ? ('ipv4' as const) : ('ipv6' as const) }
  const message = 'expected an address or a prefix (192.0.2.7, 192.0.2.0/24, 2001:db8::/64)'
  context.issues.push({ code: 'custom', input: text, message })
  return z.NEVER
})

const Source = z.strictObject({
  address: From.describe('Where it sends from: an address or a prefix. The first that fits counts.'),
  secret: name.meta({ secret: true }).describe('Shared with it.'),
  name: name.exactOptional().describe('For logs and trails. Default: the address.'),
  accepts: z
    .array(z.enum(['disconnect', 'coa']))
    .min(1)
    .default(['disconnect', 'coa'])
    .describe('What it may ask for.'),
  requireMessageAuthenticator: z
    .boolean()
    .default(true)
    .describe('false: an old client that sends none; its requests are proven by MD5 alone then.'),
  requireEventTimestamp: z
    .boolean()
    .default(true)
    .describe('false: a client that sends none; who recorded a request can send it again after 30 s then.'),
})
export type Source = z.output<typeof Source>

export const Options = z.strictObject({
  address: ip.default('0.0.0.0').describe('Where requests are taken.'),
  port: z
    .number()
    .int()
    .min(0)
    .max(65_535)
    .default(3799)
    .describe('UDP port; 0: a free one, which the log tells.'),
  sources: z.array(Source).min(1).describe('Who may send requests; nobody else is answered.'),
  eventTimestampWindowS: z
    .number()
    .int()
    .min(1)
    .max(86_400)
    .default(300)
    .describe('How far Event-Timestamp may be from our time, either way.'),
  severalSessions: z
    .enum(['all', 'refuse'])
    .default('all')
    .describe('A request that fits several sessions: is about all of them, or is refused.'),
  zones: z.record(name, name).default({}).describe('Security zones by Filter-Id.'),
  filterIsZone: z
    .boolean()
    .default(false)
    .describe('A Filter-Id that `zones` does not list is the name of a zone.'),
})
export type Options = z.output<typeof Options>
