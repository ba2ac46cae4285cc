/** Filters with placeholders. They are parsed once, without any name in them; a name is only ever the value of a comparison. */
import {
  AndFilter,
  EqualityFilter,
  ExtensibleFilter,
  type Filter,
  FilterParser,
  NotFilter,
  OrFilter,
} from 'ldapts'
import { PLACEHOLDER, textTemplate, type Values } from './names.ts'

export type FilterTemplate = (values: Values) => Filter

/** Throws where it is no filter, or a placeholder stands elsewhere than in the value of an equality. */
export function parseFilter(text: string): FilterTemplate {
  const make = templateOf(FilterParser.parseString(text))
  const found = make(Object.fromEntries(SAMPLES)).toString()
  const wanted = text.match(PLACEHOLDER) ?? []
  if (found.match(SAMPLE_TEXT)?.length !== (wanted.length === 0 ? undefined : wanted.length))
    throw new Error('a placeholder can only be the value of an equality, as in (uid={account})')
  return make
}

const SAMPLE = 'sampleValue'
const SAMPLE_TEXT = /sampleValue/g
const SAMPLES = ['user', 'account', 'realm', 'dn'].map(key => [key, SAMPLE])

function templateOf(filter: Filter): FilterTemplate {
  if (filter instanceof AndFilter || filter instanceof OrFilter) {
    const parts = filter.filters.map(templateOf)
    const make = (filters: Filter[]) =>
      filter instanceof AndFilter ? new AndFilter({ filters }) : new OrFilter({ filters })
    return values => make(parts.map(part => part(values)))
  }
  if (filter instanceof NotFilter) {
    const part = templateOf(filter.filter)
    return values => new NotFilter({ filter: part(values) })
  }
  if (filter instanceof EqualityFilter) {
    const { attribute, value } = filter
    if (typeof value !== 'string' || value.match(PLACEHOLDER) === null) return () => filter
    const fill = textTemplate(value)
    return values => new EqualityFilter({ attribute, value: fill(values) })
  }
  if (filter instanceof ExtensibleFilter) {
    const { matchType, rule, dnAttributes, value } = filter
    const fill = textTemplate(value)
    return values => new ExtensibleFilter({ matchType, rule, dnAttributes, value: fill(values) })
  }
  return () => filter
}

/** One that fits where any of them does. */
export const anyOf = (filters: readonly Filter[]): Filter => {
  const [only] = filters
  return filters.length === 1 && only !== undefined ? only : new OrFilter({ filters: [...filters] })
}
