/** A policy of your own: each group of users may come at its hours, and reaches what is its own. */
import { type AclRule, definePlugin, ipv4PrefixOption, z } from 'burrow'

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const
const MINUTE_MS = 60_000
const DAY_MINUTES = 24 * 60

const Hours = z
  .string()
  .regex(/^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$/, 'expected hours as 08:00-18:00')
  .transform(text => {
    const [from = 0, to = 0] = text.split('-').map(minuteOf)
    return { text, from, to }
  })

const Group = z.strictObject({
  users: z.array(z.string().min(1)).min(1).describe('Their names.'),
  days: z
    .array(z.enum(DAYS))
    .min(1)
    .default([...DAYS])
    .describe('On which they may come.'),
  hours: Hours.prefault('00:00-23:59').describe('At which they may come; from-to, of the zone below.'),
  reach: z.array(ipv4PrefixOption('PLUGIN_OPTIONS')).min(1).describe('What they reach.'),
})

export default definePlugin({
  name: 'groups',
  config: z.strictObject({
    groups: z.record(z.string(), Group).describe('By name; the first that lists a user counts.'),
    utcOffsetMinutes: z.number().int().min(-720).max(840).default(0).describe('Of the hours, east of UTC.'),
  }),
  setup({ hooks, clock }, { groups, utcOffsetMinutes }) {
    const groupOf = (user: string) => Object.entries(groups).find(([, group]) => group.users.includes(user))

    // A session ends with its hours: the grant says how long it may last.
    hooks.authorize.tap('hours', grant => {
      const [name, group] = groupOf(grant.user) ?? []
      if (group === undefined) return deny('the user is in no group')
      const now = new Date(clock.wallTimeMs() + utcOffsetMinutes * MINUTE_MS)
      const day = DAYS[now.getUTCDay()]
      const minute = now.getUTCHours() * 60 + now.getUTCMinutes()
      const { from, to, text } = group.hours
      if (!group.days.includes(day ?? 'sun')) return deny(`group ${name} does not come on ${day}`)
      const isOpen = from <= to ? from <= minute && minute < to : from <= minute || minute < to
      if (!isOpen) return deny(`group ${name} comes at ${text}`)
      const leftS = ((to - minute + DAY_MINUTES) % DAY_MINUTES) * 60 - now.getUTCSeconds()
      return { ...grant, sessionTimeoutS: Math.min(grant.sessionTimeoutS ?? leftS, leftS) }
    })

    hooks.decidePolicy.tap('reach', (policy, { grant }) => {
      const [name, group] = groupOf(grant.user) ?? []
      if (group === undefined) return deny('the user is in no group')
      const own: readonly AclRule[] = [
        { action: 'permit', direction: 'from-session', destination: group.reach, name: `${name} out` },
        { action: 'permit', direction: 'to-session', source: group.reach, name: `${name} back` },
      ]
      return { ...policy, rules: [...policy.rules, ...own] }
    })
  },
})

const deny = (reason: string) => ({ kind: 'deny', reason }) as const

function minuteOf(text: string): number {
  const [hour = 0, minute = 0] = text.split(':').map(Number)
  return hour * 60 + minute
}
