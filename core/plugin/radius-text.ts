/** Text as RADIUS attributes hold it. */

/** RFC 2865 5: what the value of an attribute holds. */
export const MOST_RADIUS_VALUE_BYTES = 253

/** As much of a text, from its beginning, as fits into so many octets of UTF-8: whole characters only. */
export function radiusText(text: string, mostBytes: number = MOST_RADIUS_VALUE_BYTES): string {
  // A UTF-16 unit takes three octets at most.
  if (3 * text.length <= mostBytes) return text
  const bytes = new TextEncoder().encode(text)
  if (bytes.length <= mostBytes) return text
  let end = mostBytes
  // An octet of the form 10xxxxxx continues a character.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--
  return new TextDecoder().decode(bytes.subarray(0, end))
}
