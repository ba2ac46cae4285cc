import type { ZodType } from 'zod'
import { combined, type ErrorCode, type ErrorPlace } from '../errors.ts'
import type { ValuePath } from '../plugin/schema-nodes.ts'
import { schemaProblems } from '../plugin/schema-problems.ts'
import { parseYaml } from './yaml-places.ts'

/** A YAML file that fits its schema. */
export interface CheckedYaml<T> {
  /** With the defaults of the schema. */
  readonly value: T
  /** Where the value of a path is written; the nearest enclosing one where there is none. */
  readonly locate: (path: ValuePath) => ErrorPlace
}

/** Parses and checks a file of a plugin's own; throws `code` for everything that is wrong, each at its line. */
export function checkedYaml<T>(
  file: string,
  text: string,
  schema: ZodType<T>,
  code: ErrorCode,
): CheckedYaml<T> {
  const { value: input, locate } = parseYaml(file, text, code)
  const checked = schema.safeParse(input)
  if (!checked.success) throw combined(schemaProblems(checked.error, { code, schema, input, locate }))
  return { value: checked.data, locate }
}
