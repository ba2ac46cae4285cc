/**
 * Leases IPv4 addresses, and IPv6 prefixes for links and for the networks behind them: out of named pools, the user's last one
 * where it is free, or the one that a grant names.
 */
import { definePlugin } from 'burrow'
import { Allocator } from './allocator.ts'
import { Options } from './config.ts'
import { Leases } from './leases.ts'
import { PrefixAllocator } from './prefix-allocator.ts'
import { PrefixLeases } from './prefix-leases.ts'

const NAME = 'address-pool'

export default definePlugin({
  name: NAME,
  config: Options,
  setup({ id, hooks, log, random, server, shared }, options) {
    const parts = { owner: id, options, server, random, log }
    const prefixLeases = shared('prefixes', () => new PrefixLeases())
    const prefixParts = { ...parts, leases: prefixLeases }
    const allocators = {
      ipv4: new Allocator({ ...parts, leases: shared('leases', () => new Leases()) }),
      'ipv6-prefix': new PrefixAllocator({ ...prefixParts, kind: 'ipv6-prefix', pools: options.prefixPools }),
      'delegated-prefix': new PrefixAllocator({
        ...prefixParts,
        kind: 'delegated-prefix',
        pools: options.delegatedPools,
      }),
    }
    hooks.assignAddress.tapPromise(NAME, call => allocators[call.address].assign(call))
    return {
      releaseLease: lease => allocators[lease.kind].release(lease),
      resumeLease: (lease, session, grant) => allocators[lease.kind].resume(lease, session, grant),
    }
  },
})
