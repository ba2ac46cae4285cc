/**
 * Text from peers reaches logs and tables through here, once. What could move a cursor, forge a line, hide or
 * reorder text becomes an escape; everything else stays readable.
 */

const LONGEST_TEXT = 256
/** Controls, line and paragraph separators, bidirectional and zero-width formatting, lone surrogates, the backslash itself. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\\]/gu
const SHORT: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' }

export function escapeText(text: string, longest: number = LONGEST_TEXT): string {
  const cut = text.length > longest ? `${text.slice(0, longest)}...` : text
  return cut.replace(UNSAFE, unsafe => SHORT[unsafe] ?? `\\u{${(unsafe.codePointAt(0) ?? 0).toString(16)}}`)
}

const DEEPEST = 6
const LONGEST_LIST = 64

/** The same for a value of a log line; byte strings become hex, errors their code and message. */
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
