/** Leases IPv4 addresses: out of named pools, the user's last one where it is free, or the one that a grant names. */
import { definePlugin } from 'burrow'
import { Allocator } from './allocator.ts'
import { Options } from './config.ts'
import { Leases } from './leases.ts'

const NAME = 'address-pool'

export default definePlugin({
  name: NAME,
  config: Options,
  setup({ id, hooks, log, random, server, shared }, options) {
    const leases = shared('leases', () => new Leases())
    const allocator = new Allocator({ owner: id, options, leases, server, random, log })
    hooks.assignAddress.tapPromise(NAME, async call =>
      call.address === 'ipv4' ? allocator.assign(call) : undefined,
    )
    return {
      releaseLease: lease => allocator.release(lease),
      resumeLease: (lease, session, grant) => allocator.resume(lease, session, grant),
    }
  },
})
