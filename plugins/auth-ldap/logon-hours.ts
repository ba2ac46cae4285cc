/** Logon hours of Active Directory and Samba: a bit for each hour of the week, from Sunday 0:00 UTC on, lowest bit first. */

const HOURS = 7 * 24
const HOUR_MS = 3_600_000
/** 1 January 1970 was a Thursday. */
const HOURS_INTO_WEEK_OF_EPOCH = 4 * 24

export type LogonHours =
  | { readonly kind: 'now' /** Until they end; absent: they never do. */; readonly forS?: number }
  | { readonly kind: 'not-now' }
  | { readonly kind: 'unreadable' }

/** 21 octets, or as hexadecimal text (`sambaLogonHours`). */
export function logonHoursAt(value: string | Buffer, wallTimeMs: number): LogonHours {
  const bits = typeof value === 'string' ? Buffer.from(value, 'hex') : value
  if (bits.length !== HOURS / 8) return { kind: 'unreadable' }
  const allowed = (hour: number) => ((bits[(hour % HOURS) >> 3] ?? 0) >> (hour & 7)) & 1
  const now = Math.floor(wallTimeMs / HOUR_MS)
  const first = (now + HOURS_INTO_WEEK_OF_EPOCH) % HOURS
  let hours = 0
  while (hours < HOURS && allowed(first + hours)) hours++
  if (hours === 0) return { kind: 'not-now' }
  if (hours === HOURS) return { kind: 'now' }
  return { kind: 'now', forS: Math.ceil(((now + hours) * HOUR_MS - wallTimeMs) / 1000) }
}
