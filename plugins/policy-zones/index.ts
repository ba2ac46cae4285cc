/** Permits by rules between security zones: who may dial, and what may pass between sessions and the networks behind us. */
import { type AclRule, definePlugin, shared, type TimerHandle, throwProblems } from 'burrow'
import { admit } from './admission.ts'
import { addressProblems, compileRules, type Meaning } from './compile.ts'
import { guardsL2tp, type NamedRule, Options, REFERENCE_RULES } from './config.ts'
import { FollowedZones } from './followed.ts'
import { checkInterfaces } from './interfaces.ts'
import { appliesTo, type Who } from './rule.ts'
import { isWithin, weekTime } from './schedule.ts'
import { rowOf, verdictOf } from './table.ts'
import { invalid, type Routed, Zones } from './zones.ts'

const NAME = 'policy-zones'
const MINUTE_MS = 60_000
/** Of lists that sessions have at a time, each for a zone and the rules that count for some of its users. */
const MOST_COMPILED = 1024

export default definePlugin({
  name: NAME,
  config: Options,
  setup({ hooks, server, clock, log }, options) {
    const { rules = REFERENCE_RULES, timeZone } = options
    const dialling = rules.filter(rule => guardsL2tp(rule, options.zones))
    const passing = rules.filter(rule => !guardsL2tp(rule, options.zones))
    const admitted = new Map<NamedRule, number>()
    const filters = new Set(rules.flatMap(({ filter }) => filter ?? []))
    const timed = rules.filter(({ time }) => time !== undefined)
    let meaning: Meaning | undefined
    /** By zone and the rules that count. */
    const compiled = new Map<string, readonly AclRule[]>()
    let minute: TimerHandle | undefined
    const followed = new FollowedZones({
      zones: options.zones,
      server,
      clock,
      log,
      read: routed => read(routed),
      adopt: zones => adopt(zones),
    })

    /** Every plugin has declared its pools by the time this is called. */
    const read = (routed: Routed): Zones => {
      const zones = new Zones(options.zones, server.pools(), options.sets, routed)
      const problems = [...zones.problems, ...addressProblems(rules, zones)]
      if (!zones.names.includes(server.defaultZone)) {
        const known = Object.keys(options.zones).join(', ')
        problems.push(invalid(`defaultZone of the server is ${server.defaultZone}; expected one of ${known}`))
      }
      throwProblems(problems)
      return zones
    }

    const adopt = (zones: Zones) => {
      meaning = { zones, services: options.services }
      compiled.clear()
    }

    /** Whether a rule counts at this time. */
    const clockwork = () => {
      const now = timed.length === 0 ? undefined : weekTime(clock.wallTimeMs(), timeZone)
      return ({ time }: NamedRule) => time === undefined || now === undefined || isWithin(time, now)
    }

    const rulesFor = (known: Meaning, zone: string, who: Who): readonly AclRule[] => {
      const isActive = clockwork()
      const counts = passing.map(rule => appliesTo(rule, who) && isActive(rule))
      const key = `${zone} ${counts.map(Number).join('')}`
      const before = compiled.get(key)
      if (before !== undefined) return before
      if (compiled.size === MOST_COMPILED) compiled.clear()
      const counting = passing.filter((_, index) => counts[index])
      const made = shared(compileRules(counting, known, zone))
      compiled.set(key, made)
      return made
    }

    /** What rules of other hours say counts for live sessions from this minute on. */
    const followTime = () => {
      let before = timed.map(clockwork())
      const look = async () => {
        minute = clock.setTimer(MINUTE_MS - (clock.wallTimeMs() % MINUTE_MS), look)
        const after = timed.map(clockwork())
        if (after.join() === before.join()) return
        before = after
        const sessions = server.sessions()
        log.info({ sessions: sessions.length }, 'other rules count from now on')
        for (const { session } of sessions) await server.regrant(session.key, {})
      }
      minute = clock.setTimer(MINUTE_MS - (clock.wallTimeMs() % MINUTE_MS), look)
    }

    hooks.admitTunnel.tap(NAME, ({ tunnel, dryRun }) => {
      if (meaning === undefined) return deny('the zones are not known yet')
      const { rule, permitted, reason } = admit(dialling.filter(clockwork()), meaning.zones, tunnel.path)
      if (rule !== undefined && !dryRun) admitted.set(rule, (admitted.get(rule) ?? 0) + 1)
      return permitted ? undefined : deny(reason)
    })

    hooks.decidePolicy.tap(NAME, (policy, { session, leases, grant, dryRun }) => {
      const { zone } = policy
      const { filter = '' } = grant
      if (meaning === undefined || !meaning.zones.names.includes(zone))
        return deny(`there is no zone ${JSON.stringify(zone)}`)
      const { zones } = meaning
      // A filter may have led to a zone, or to rules of a plugin further up; else nobody would keep to it.
      if (filter !== '' && !filters.has(filter) && grant.zone === undefined && policy.rules.length === 0)
        return deny(`no rule has the filter ${JSON.stringify(filter)}`)
      const outside = leases.find(({ value }) => !zones.holds(zone, value))
      if (outside !== undefined) return deny(`${outside.value} is no address of zone ${zone}`)
      const own = rulesFor(meaning, zone, grant)
      if (!dryRun) followed.decided(session)
      return { zone, rules: policy.rules.length === 0 ? own : [...policy.rules, ...own] }
    })

    hooks.sessionUp.tapPromise(NAME, ({ session }) => followed.up(session))
    hooks.sessionDown.tap(NAME, ({ session }) => followed.down(session))

    return {
      async check() {
        adopt(read(NOTHING_ROUTED))
        if (followed.isNeeded) await checkInterfaces(options.zones, server, log)
      },
      async start() {
        adopt(read(NOTHING_ROUTED))
        await followed.start()
        if (timed.length > 0) followTime()
      },
      async stop() {
        minute?.cancel()
        await followed.stop()
      },
      policy: {
        rows() {
          const isActive = clockwork()
          const decided = (rule: NamedRule) =>
            dialling.includes(rule) ? (admitted.get(rule) ?? 0) : undefined
          return rules.map(rule => rowOf(rule, isActive(rule), decided(rule)))
        },
        ask(question) {
          if (meaning === undefined) throw invalid('the zones are not known yet')
          const isActive = clockwork()
          return verdictOf({ ...meaning, rules, isActive, ownAddresses: server.ownAddresses() }, question)
        },
      },
    }
  },
})

const NOTHING_ROUTED: Routed = new Map()

const deny = (reason: string) => ({ kind: 'deny', reason }) as const
