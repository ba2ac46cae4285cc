/** Permits by rules between zones: who may dial, and what may pass between sessions and the networks behind us. */
import { type AclRule, definePlugin, isInRanges, parseIpv4, throwProblems } from 'burrow'
import { admit } from './admission.ts'
import { compileRules, ruleProblems } from './compile.ts'
import { Options, REFERENCE_RULES } from './config.ts'
import { invalid, Zones } from './zones.ts'

const NAME = 'policy-zones'

export default definePlugin({
  name: NAME,
  config: Options,
  setup({ hooks, server }, options) {
    const { rules = REFERENCE_RULES } = options
    const filters = new Map<string, readonly AclRule[]>()
    let zones: Zones | undefined
    /** Every plugin has declared its pools by the time this is called. */
    const resolve = () => {
      const resolved = new Zones(options.zones, server.pools())
      const problems = [...resolved.problems, ...ruleProblems(rules, resolved)]
      if (resolved.ranges(server.defaultZone) === undefined) {
        const known = Object.keys(options.zones).join(', ')
        problems.push(invalid(`defaultZone of the server is ${server.defaultZone}; expected one of ${known}`))
      }
      throwProblems(problems)
      filters.clear()
      zones = resolved
    }

    hooks.admitTunnel.tap(NAME, ({ tunnel }) =>
      zones === undefined ? deny('the zones are not known yet') : admit(rules, zones, tunnel.path),
    )

    hooks.decidePolicy.tap(NAME, (policy, { leases }) => {
      const { zone } = policy
      const ranges = zones?.ranges(zone)
      if (zones === undefined || ranges === undefined) return deny(`there is no zone ${JSON.stringify(zone)}`)
      const outside = leases.find(({ value }) => !isInRanges(ranges, parseIpv4(value) ?? -1))
      if (outside !== undefined) return deny(`${outside.value} is no address of zone ${zone}`)
      const own = filters.get(zone) ?? compileRules(rules, zones, zone)
      filters.set(zone, own)
      return { zone, rules: policy.rules.length === 0 ? own : [...policy.rules, ...own] }
    })

    return { check: resolve, start: resolve }
  },
})

const deny = (reason: string) => ({ kind: 'deny', reason }) as const
