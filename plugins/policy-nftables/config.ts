import { ipv4PrefixOption, parseIpv4, z } from 'burrow'

const address = z.string().refine(text => parseIpv4(text) !== undefined, 'expected an IPv4 address')

export const Options = z.strictObject({
  masquerade: z
    .array(ipv4PrefixOption('POLICY_INVALID').transform(({ address: at, length }) => `${at}/${length}`))
    .default([])
    .describe(
      'Destinations that sessions reach by an address of this host: prefixes; 0.0.0.0/0 is all of them.',
    ),
  staticNat: z
    .array(z.strictObject({ session: address, outside: address }))
    .default([])
    .describe('Addresses of sessions that go by another, one for one, in both directions.'),
  checkS: z
    .number()
    .int()
    .min(1)
    .max(3600)
    .default(30)
    .describe('How often the table is looked at, and mended where somebody changed it.'),
  nft: z.string().min(1).default('nft').describe('The program.'),
})
export type Options = z.output<typeof Options>
