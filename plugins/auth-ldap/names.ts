/** User names as people type them (`user`, `user@realm`, `DOMAIN\user`), and texts with such a name in them. */
import { splitUser } from 'burrow'

export type Name = {
  /** As it was given, in lower case where case does not count. */
  readonly user: string
  /** Without the realm. */
  readonly account: string
  /** The first of our realms, whichever of them was given: it stands for the directory. Absent: we have none. */
  readonly realm?: string
}

interface NameRules {
  /** Realms and domains of this directory, in lower case; none: it takes every name, as it is. */
  readonly realms: readonly string[]
  /** Whose a name without a realm is. */
  readonly withoutRealm: 'accept' | 'next'
  readonly nameCase: 'fold' | 'exact'
}

const LONGEST_NAME = 255
const PLAIN = /^[!-~]+$/
/**
 * Directories prepare names before they compare (RFC 4518): blanks at the ends and in a row do not count to them, nor do control
 * characters and characters that nobody sees. Such a name would be somebody's second name, so it is nobody's.
 */
const UNSEEN = /^\s|\s$|\s\s|\p{C}|\p{Default_Ignorable_Code_Point}/u

/** `elsewhere`: its realm is none of ours; `nobody`: nobody has such a name. */
export function parseName(
  raw: string,
  { realms, withoutRealm, nameCase }: NameRules,
): Name | 'elsewhere' | 'nobody' {
  const given = prepared(raw)
  if (given === undefined) return 'nobody'
  const user = nameCase === 'fold' ? given.toLowerCase() : given
  const [realm] = realms
  if (realm === undefined) return { user, account: user }
  const parts = splitUser(user)
  if (parts === undefined) return withoutRealm === 'accept' ? { user, account: user, realm } : 'elsewhere'
  if (!realms.includes(parts.realm.toLowerCase())) return 'elsewhere'
  if (parts.account === '') return 'nobody'
  return { user, account: parts.account, realm }
}

function prepared(raw: string): string | undefined {
  if (raw === '' || raw.length > LONGEST_NAME) return undefined
  if (PLAIN.test(raw)) return raw
  const composed = raw.normalize('NFC')
  return UNSEEN.test(composed) || composed.normalize('NFKC') !== composed ? undefined : composed
}

export const PLACEHOLDER = /\{(user|account|realm|dn)\}/g

/** The values of the placeholders of a text. */
export type Values = Readonly<Record<string, string | undefined>>

/** A text with placeholders, taken apart once; each value goes through `quote`. */
export function textTemplate(
  text: string,
  quote: (value: string) => string = value => value,
): (values: Values) => string {
  // Keys stand at the odd places.
  const [before = '', ...rest] = text.split(PLACEHOLDER)
  return values => {
    let filled = before
    for (let i = 0; i < rest.length; i += 2) filled += quote(values[rest[i] ?? ''] ?? '') + rest[i + 1]
    return filled
  }
}

/** For a value within a DN (RFC 4514 2.4). */
export const escapeDnValue = (text: string): string =>
  text
    .replace(/[\\"+,;<>=]/g, '\\$&')
    .replaceAll('\0', '\\00')
    .replace(/^[ #]/, '\\$&')
    .replace(/ $/, '\\ ')

/** What a user binds as: a DN, a UPN, or DOMAIN\user. */
export const bindName = (template: string, name: Name): string =>
  textTemplate(template, template.includes('=') ? escapeDnValue : undefined)({ ...name })

/** DNs that mean the same entry, as far as their spelling tells: case and blanks around separators do not count. */
export const comparableDn = (dn: string): string => dn.replace(/\s*(?<!\\)([,=+])\s*/g, '$1').toLowerCase()

/** Whether `dn` stands below `base`, or is it. */
export function isBelow(dn: string, base: string): boolean {
  const [one, other] = [comparableDn(dn), comparableDn(base)]
  return one === other || one.endsWith(`,${other}`)
}

/** The value of a DN's first RDN: what people call the entry. */
export function firstValue(dn: string): string {
  const [, value = ''] = /^[^=]+=((?:\\.|[^\\,+])*)/.exec(dn) ?? []
  return value
    .trim()
    .replace(/\\([^0-9a-fA-F]|[0-9a-fA-F]{2})/g, (_, escaped: string) =>
      escaped.length === 1 ? escaped : String.fromCharCode(Number.parseInt(escaped, 16)),
    )
}
