/** Times of the week at which a rule counts. */
import { z } from 'burrow'
import { CODE } from './addresses.ts'

const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'] as const
type Day = (typeof DAYS)[number]
const MINUTES_A_DAY = 1440
const FORM = 'expected times as "Mon-Fri 08:00-18:00", "Sat,Sun" or "22:00-06:00"'

/** On these days from one minute of the day until before another; over midnight where that is not the later one. */
export interface Window {
  readonly text: string
  readonly days: ReadonlySet<number>
  readonly fromMinute: number
  readonly toMinute: number
}

export const Window: z.ZodType<Window, string> = z.string().transform((text, context) => {
  const window = parseWindow(text)
  if (window !== undefined) return window
  context.issues.push({ code: 'custom', input: text, message: FORM, params: CODE })
  return z.NEVER
})

function parseWindow(text: string): Window | undefined {
  const words = text.trim().split(/\s+/)
  const hours = words.at(-1)?.includes(':') === true ? words.pop() : undefined
  const days = words.length === 0 ? new Set(DAYS.keys()) : daysOf(words.join(''))
  const [, h1, m1, h2, m2] = /^(\d\d):(\d\d)-(\d\d):(\d\d)$/.exec(hours ?? '00:00-24:00') ?? []
  const fromMinute = 60 * Number(h1) + Number(m1)
  const toMinute = 60 * Number(h2) + Number(m2)
  const isTime = Number(m1) < 60 && Number(m2) < 60 && fromMinute < MINUTES_A_DAY && toMinute <= MINUTES_A_DAY
  return days !== undefined && isTime && fromMinute !== toMinute
    ? { text, days, fromMinute, toMinute }
    : undefined
}

/** `Mon-Fri`, `Sat,Sun`, `Sun-Tue`. */
function daysOf(text: string): ReadonlySet<number> | undefined {
  const days = new Set<number>()
  for (const part of text.split(',')) {
    const [first = '', last = first, more] = part.split('-')
    const [from, to] = [first, last].map(name => DAYS.indexOf(name as Day))
    if (from === undefined || to === undefined || from < 0 || to < 0 || more !== undefined) return undefined
    for (let day = from; ; day = (day + 1) % DAYS.length) {
      days.add(day)
      if (day === to) break
    }
  }
  return days
}

export function isWithin(windows: readonly Window[], { day, minute }: WeekTime): boolean {
  return windows.some(({ days, fromMinute, toMinute }) => {
    if (fromMinute < toMinute) return days.has(day) && minute >= fromMinute && minute < toMinute
    const yesterday = (day + DAYS.length - 1) % DAYS.length
    return (days.has(day) && minute >= fromMinute) || (days.has(yesterday) && minute < toMinute)
  })
}

/** A minute of the week where the clocks are of a time zone. */
export interface WeekTime {
  /** 0: Monday. */
  readonly day: number
  readonly minute: number
}

/** `timeZone`: of IANA; undefined: this host's. */
export function weekTime(wallTimeMs: number, timeZone: string | undefined): WeekTime {
  const format = new Intl.DateTimeFormat('en-GB', {
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    ...(timeZone === undefined ? {} : { timeZone }),
  })
  const parts = new Map(format.formatToParts(wallTimeMs).map(({ type, value }) => [type, value]))
  const day = DAYS.indexOf((parts.get('weekday') ?? '').slice(0, 3) as Day)
  return { day, minute: 60 * Number(parts.get('hour')) + Number(parts.get('minute')) }
}

export const isTimeZone = (name: string): boolean => {
  try {
    return new Intl.DateTimeFormat('en-GB', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}
