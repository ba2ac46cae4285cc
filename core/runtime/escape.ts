/** Values of a log line: whatever text is in them, escaped. */
import { BurrowError } from '../errors.ts'
import { escapeText } from '../wire/escape.ts'

const DEEPEST = 6
const LONGEST_LIST = 64

/** Byte strings become hex, errors their code and message; what is deep or long is cut. */
export function escapeValue(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return escapeText(value)
  if (typeof value === 'bigint') return value <= Number.MAX_SAFE_INTEGER ? Number(value) : value.toString()
  if (typeof value !== 'object' || value === null) return value
  if (depth === DEEPEST) return '...'
  if (value instanceof Uint8Array) return Buffer.from(value.subarray(0, LONGEST_LIST)).toString('hex')
  if (value instanceof Error) return escapeError(value, depth)
  if (Array.isArray(value)) return value.slice(0, LONGEST_LIST).map(item => escapeValue(item, depth + 1))
  return Object.fromEntries(
    Object.entries(value)
      .slice(0, LONGEST_LIST)
      .map(([key, item]) => [escapeText(key), escapeValue(item, depth + 1)]),
  )
}

function escapeError(error: Error, depth: number): unknown {
  const { name, message, stack, cause } = error
  return {
    ...('code' in error ? { code: escapeValue(error.code, depth + 1) } : { name }),
    message: escapeText(message),
    ...(error instanceof BurrowError
      ? { place: escapeValue(error.place, depth + 1), remedy: error.remedy }
      : {}),
    ...(stack === undefined
      ? {}
      : {
          stack: stack
            .split('\n')
            .slice(1, 8)
            .map(line => escapeText(line.trim())),
        }),
    ...(cause === undefined ? {} : { cause: escapeValue(cause, depth + 1) }),
  }
}
