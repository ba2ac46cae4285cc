import type { z } from 'zod'
import { BurrowError } from '../errors.ts'

/** What came over the control socket, as `schema` has it; USAGE for anything else, which tells no value: one may be a secret. */
export function checkedArguments<T>(schema: z.ZodType<T>, args: unknown): T {
  const checked = schema.safeParse(args ?? {})
  if (checked.success) return checked.data
  const problems = checked.error.issues.map(({ path, code }) => `${path.join('.') || 'arguments'} (${code})`)
  throw new BurrowError('USAGE', `the server does not take these arguments: ${problems.join(', ')}`)
}
