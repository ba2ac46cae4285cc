/** Lets sessions reach one service of one network: replace this by whatever your users may reach. */
import { type AclRule, definePlugin, ipv4PrefixOption, z } from 'burrow'

const TCP = 6

export default definePlugin({
  name: 'my-plugin',
  config: z.strictObject({
    network: ipv4PrefixOption('POLICY_INVALID').describe('What sessions may reach: a prefix.'),
    port: z
      .number()
      .int()
      .min(1)
      .max(65_535)
      .default(443)
      .describe('The TCP port that they may reach there.'),
  }),
  setup({ hooks }, { network, port }) {
    const ports = [{ from: port, to: port }]
    const rules: readonly AclRule[] = [
      {
        name: 'to the service',
        action: 'permit',
        direction: 'from-session',
        destination: [network],
        protocol: TCP,
        destinationPorts: ports,
      },
      { name: 'back', action: 'permit', direction: 'to-session', source: [network], protocol: TCP },
    ]
    // The rules of the plugins before come first, and the first that matches decides; no match denies.
    hooks.decidePolicy.tap('service', policy => ({ ...policy, rules: [...policy.rules, ...rules] }))
  },
})
