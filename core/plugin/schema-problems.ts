/** What a schema says against a value, in an operator's words: where, what stands there, what was expected. */
import type { ZodError, ZodType } from 'zod'
import { BurrowError, ERRORS, type ErrorCode, type ErrorPlace } from '../errors.ts'
import { nearest } from './nearest.ts'
import { isMarkedSecret, nodesAt, type ValuePath } from './schema-nodes.ts'
import { isSecretKey, withoutUrlPassword } from './secret-key.ts'

export interface Checked {
  /** Of the errors; a custom issue of the schema may name another as `params.code`. */
  readonly code: ErrorCode
  readonly schema: ZodType
  readonly input: unknown
  /** Where the value of a path is written; the nearest enclosing one where there is none. */
  readonly locate: (path: ValuePath) => ErrorPlace
}

type Issue = ZodError['issues'][number]

/** One coded error for each thing that is wrong. */
export function schemaProblems(error: ZodError, checked: Checked): BurrowError[] {
  return error.issues.flatMap(issue => describe(issue, checked))
}

function describe(issue: Issue, checked: Checked): BurrowError[] {
  const { code, schema, input, locate } = checked
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, issue.path)
    return issue.keys.map(key => {
      const guess = nearest(key, known)
      const hint = guess === undefined ? `known here: ${known.join(', ')}` : `did you mean "${guess}"?`
      return new BurrowError(
        code,
        `unknown option ${pathText([...issue.path, key])}; ${hint}`,
        locate([...issue.path, key]),
      )
    })
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    // The alternative that came nearest tells most: it objects to what lies deepest.
    const depth = (issues: readonly Issue[]) => Math.max(0, ...issues.map(({ path }) => path.length))
    const [best = []] = [...issue.errors].sort((a, b) => depth(b) - depth(a))
    return best.flatMap(inner => describe({ ...inner, path: [...issue.path, ...inner.path] }, checked))
  }
  const found = at(input, issue.path)
  const expected = issue.message.replace(/^Invalid input: /, '').replace(/, received .*$/, '')
  const hidden = issue.path.some(isSecretKey) || isMarkedSecret(schema, issue.path)
  const what = found === undefined ? 'is missing' : `is ${valueText(found, hidden)}`
  const text = `${pathText(issue.path)} ${what}: ${expected}`
  return [new BurrowError(ownCode(issue) ?? code, text, locate(issue.path))]
}

function ownCode(issue: Issue): ErrorCode | undefined {
  const code: unknown = issue.code === 'custom' ? issue.params?.code : undefined
  return typeof code === 'string' && Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : undefined
}

function at(value: unknown, path: ValuePath): unknown {
  return path.reduce<unknown>(
    (inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key],
    value,
  )
}

const pathText = (path: ValuePath) => {
  const text = path.map(key => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('')
  return text === '' ? 'the value' : text.replace(/^\./, '')
}

const LONGEST_VALUE = 80

/** The value as the file has it; secrets, and what may hold one, are only named. */
function valueText(value: unknown, hidden: boolean): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'a mapping'
  if (hidden) return 'a value that is not shown'
  const text = withoutUrlPassword(JSON.stringify(value))
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}...` : text
}

/** The keys that the schema knows of the mapping at `path`. */
const knownKeys = (schema: ZodType, path: ValuePath): readonly string[] =>
  nodesAt(schema, path).flatMap(({ properties }) => Object.keys(properties ?? {}))
