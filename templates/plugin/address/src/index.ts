/** Leases the addresses of one range: replace this by whatever gives out yours. */
import { definePlugin, formatIpv4, ipv4RangeOption, z } from 'burrow'

export default definePlugin({
  name: 'my-plugin',
  config: z.strictObject({
    range: ipv4RangeOption('POOL_INVALID').describe('The addresses: first-last, or a prefix.'),
  }),
  setup({ hooks, random, shared }, { range: { first, last } }) {
    // By address, the lease that holds it. The old and the new config of a reload have the same.
    const held = shared('held', () => new Map<string, string>())
    hooks.assignAddress.tap('first free', () => {
      for (let address = first; address <= last; address++) {
        const value = formatIpv4(address)
        if (held.has(value)) continue
        const id = Buffer.from(random.bytes(8)).toString('hex')
        held.set(value, id)
        return { kind: 'lease', value, id }
      }
      return { kind: 'refuse', reason: 'every address is leased' }
    })
    return {
      releaseLease({ value, id }) {
        if (held.get(value) === id) held.delete(value)
      },
      resumeLease({ value, id }) {
        if (held.has(value)) return held.get(value) === id
        held.set(value, id)
        return true
      },
    }
  },
})
