/** Words for addresses, as zones and rules have them. */
import { type Ipv4Range, ipv4RangeOption, ipv6PrefixOption, type Prefix, z } from 'burrow'

export const CODE = { code: 'POLICY_INVALID' } as const
const Range = ipv4RangeOption(CODE.code)
const Prefix6 = ipv6PrefixOption(CODE.code)

/** One word of a list of addresses. */
export type Addresses =
  | { readonly kind: 'any' | 'own-address'; readonly text: string }
  /** Without a name: all pools. */
  | { readonly kind: 'pool'; readonly text: string; readonly pool: string | undefined }
  /** A list of `sets`. */
  | { readonly kind: 'set'; readonly text: string; readonly set: string }
  | { readonly kind: 'range'; readonly text: string; readonly range: Ipv4Range }
  | { readonly kind: 'prefix6'; readonly text: string; readonly prefix: Prefix }

export const Addresses: z.ZodType<Addresses, string> = z.string().transform((text, context): Addresses => {
  if (text === 'any' || text === 'own-address') return { kind: text, text }
  if (text === 'pool') return { kind: 'pool', text, pool: undefined }
  if (text.startsWith('pool:')) return { kind: 'pool', text, pool: text.slice('pool:'.length) }
  if (text.startsWith('set:')) return { kind: 'set', text, set: text.slice('set:'.length) }
  if (text.includes(':')) {
    const prefix = Prefix6.safeParse(text)
    if (prefix.success) return { kind: 'prefix6', text, prefix: prefix.data }
  }
  const range = Range.safeParse(text)
  if (range.success) return { kind: 'range', text, range: range.data }
  const message = `${range.error.issues[0]?.message}, an IPv6 prefix (2001:db8::/32), any, own-address, pool, pool:NAME or set:NAME`
  context.issues.push({ code: 'custom', input: text, message, params: CODE })
  return z.NEVER
})

/** One, or a list. */
export const some = <Item extends z.ZodType>(item: Item) =>
  z.union([item.transform(one => [one]), z.array(item).min(1)]) as z.ZodType<z.output<Item>[], unknown>
