/** Permits by rules between zones: who may dial, and what may pass between sessions and the networks behind us. */
import { type AclRule, definePlugin, throwProblems } from 'burrow'
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
    let zones: Zones | undefined
    let filters: ReadonlyMap<string, readonly AclRule[]> = new Map()
    /** Every plugin has declared its pools by the time this is called. */
    const resolve = () => {
      const resolved = new Zones(options.zones, server.pools())
      const problems = [...resolved.problems, ...ruleProblems(rules, resolved)]
      if (!resolved.names.includes(server.defaultZone)) {
        const known = Object.keys(options.zones).join(', ')
        problems.push(invalid(`defaultZone of the server is ${server.defaultZone}; expected one of ${known}`))
      }
      throwProblems(problems)
      zones = resolved
      filters = new Map(resolved.names.map(zone => [zone, compileRules(rules, resolved, zone)]))
    }

    hooks.admitTunnel.tap(NAME, ({ tunnel }) =>
      zones === undefined ? deny('the zones are not known yet') : admit(rules, zones, tunnel.path),
    )

    hooks.decidePolicy.tap(NAME, (policy, { leases }) => {
      const { zone } = policy
      const filter = filters.get(zone)
      if (filter === undefined) return deny(`there is no zone ${JSON.stringify(zone)}`)
      const outside = leases.find(({ value }) => zones?.has(zone, value) !== true)
      if (outside !== undefined) return deny(`${outside.value} is no address of zone ${zone}`)
      return { zone, rules: policy.rules.length === 0 ? filter : [...policy.rules, ...filter] }
    })

    return { check: resolve, start: resolve }
  },
})

const deny = (reason: string) => ({ kind: 'deny', reason }) as const
