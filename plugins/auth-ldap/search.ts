/** The entry of a user. */
import { PresenceFilter } from 'ldapts'
import type { Entry } from './entry.ts'
import type { Search } from './groups.ts'
import type { Name } from './names.ts'
import type { Plan } from './plan.ts'

/** Two are enough to see that there is more than one. */
const MOST_ENTRIES = 2

export async function findUser(
  plan: Plan,
  name: Name,
  attributes: string[],
  search: Search,
): Promise<Entry | 'unknown' | 'ambiguous'> {
  const { options, filter } = plan
  const { entries } = await search({
    base: options.base,
    scope: options.scope,
    filter: filter(name),
    attributes,
    sizeLimit: MOST_ENTRIES,
  })
  return entries.length > 1 ? 'ambiguous' : called(name, plan, entries[0])
}

/** By its DN, for a user that reads itself. */
export async function readEntry(
  plan: Plan,
  name: Name,
  dn: string,
  search: Search,
): Promise<Entry | 'unknown'> {
  const filter = new PresenceFilter({ attribute: 'objectClass' })
  const { entries } = await search({
    base: dn,
    scope: 'base',
    filter,
    attributes: plan.attributes,
    sizeLimit: 1,
  })
  return called(name, plan, entries[0])
}

/** Directories compare without case; where it counts, we look ourselves. */
function called(
  { account }: Name,
  { options, userAttribute }: Plan,
  entry: Entry | undefined,
): Entry | 'unknown' {
  if (entry === undefined) return 'unknown'
  return options.nameCase === 'fold' || entry.texts(userAttribute).includes(account) ? entry : 'unknown'
}
