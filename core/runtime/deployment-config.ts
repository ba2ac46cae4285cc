/** The schema of a `deployment` in the plugin list. */
import { z } from 'zod'
import { ipv4RangeOption } from '../plugin/addresses.ts'

/** One of them, or a list. */
const some = <T extends z.ZodType>(item: T) =>
  z
    .union([item, z.array(item).min(1)])
    .transform(value => (Array.isArray(value) ? value : [value]) as z.output<T>[])
    .exactOptional()
const lowerCase = (least: number) =>
  z
    .string()
    .min(least)
    .transform(text => text.toLowerCase())

const When = z
  .strictObject({
    realm: some(lowerCase(0)).describe('Of the user: what follows the last @, or precedes a backslash.'),
    peer: some(ipv4RangeOption('CONFIG_INVALID')).describe(
      'Address, prefix or range that the peer sends from.',
    ),
    hostName: some(lowerCase(1)).describe('What the peer calls itself; * is any text, case does not count.'),
    secret: some(z.string().min(1)).describe('Name of the tunnel secret that the peer knows.'),
  })
  .describe('What must hold of a call; nothing: every call.')

export const DeploymentConfig = z.strictObject({
  name: z
    .string()
    .regex(/^[\w.-]{1,32}$/, 'expected at most 32 letters, digits, dots, dashes and underscores')
    .describe('Unique; its plugins are called NAME/PLUGIN.'),
  when: When.prefault({}),
  plugins: z
    .array(z.unknown())
    .default([])
    .describe('As outside: they and those outside serve its calls, in order.'),
})
