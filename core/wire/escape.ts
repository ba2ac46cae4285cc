/**
 * Text from peers reaches logs, tables and ladders through here, once, at output. What could move a cursor, forge a
 * line, hide or reorder text becomes an escape; everything else stays readable.
 */

const LONGEST_TEXT = 256
/** Controls, line and paragraph separators, bidirectional and zero-width formatting, lone surrogates, the backslash itself. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\\]/gu
const SHORT: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** Two texts that differ stay different. What is beyond `longest` UTF-16 units is cut, and the cut is shown. */
export function escapeText(text: string, longest: number = LONGEST_TEXT): string {
  const cut = text.length > longest ? `${text.slice(0, longest)}...` : text
  return cut.replace(UNSAFE, unsafe => SHORT[unsafe] ?? `\\u{${(unsafe.codePointAt(0) ?? 0).toString(16)}}`)
}
