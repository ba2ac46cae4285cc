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
    const named = new Set(rules.flatMap(({ filter }) => filter ?? []))
    /** By zone, and of sessions without a filter that a rule names by ''. */
    let compiled: ReadonlyMap<string, ReadonlyMap<string, readonly AclRule[]>> = new Map()
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
      const byFilter = (zone: string) =>
        new Map(['', ...named].map(filter => [filter, compileRules(rules, resolved, zone, filter)]))
      compiled = new Map(resolved.names.map(zone => [zone, byFilter(zone)]))
    }

    hooks.admitTunnel.tap(NAME, ({ tunnel }) =>
      zones === undefined ? deny('the zones are not known yet') : admit(rules, zones, tunnel.path),
    )

    hooks.decidePolicy.tap(NAME, (policy, { leases, grant }) => {
      const { zone } = policy
      const { filter = '' } = grant
      const isKnown = named.has(filter)
      const own = compiled.get(zone)?.get(isKnown ? filter : '')
      if (own === undefined) return deny(`there is no zone ${JSON.stringify(zone)}`)
      // A filter may have led to a zone, or to rules of a plugin further up; else nobody would keep to it.
      if (filter !== '' && !isKnown && grant.zone === undefined && policy.rules.length === 0)
        return deny(`no rule has the filter ${JSON.stringify(filter)}`)
      const outside = leases.find(({ value }) => zones?.holds(zone, value) !== true)
      if (outside !== undefined) return deny(`${outside.value} is no address of zone ${zone}`)
      return { zone, rules: policy.rules.length === 0 ? own : [...policy.rules, ...own] }
    })

    return { check: resolve, start: resolve }
  },
})

const deny = (reason: string) => ({ kind: 'deny', reason }) as const
