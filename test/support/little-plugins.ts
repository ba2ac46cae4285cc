/** Plugins of a few lines for tests of the runtime; the real ones have tests of their own. */
import { definePlugin, type SessionInfo, z } from '../../core/index.ts'

export const PASSWORD = 'admin@123'

/** Lets in whoever knows the one password. */
export const auth = definePlugin({
  name: 'little-auth',
  config: z.strictObject({}),
  setup({ hooks }) {
    hooks.authenticate.tap('password', ({ user, proof }) =>
      proof.verify(PASSWORD) ? { kind: 'accept', user } : { kind: 'reject', reason: 'wrong password' },
    )
  },
})

/** Addresses from 172.16.1.51 on; permits everything. */
export function pool(size: number) {
  const held = new Set<string>()
  const plugin = definePlugin({
    name: 'little-pool',
    config: z.strictObject({}),
    setup({ hooks, server }) {
      server.declarePool('main', [{ address: '172.16.1.0', length: 24 }])
      hooks.assignAddress.tap('first free', () => {
        for (let i = 0; i < size; i++) {
          const value = `172.16.1.${51 + i}`
          if (held.has(value)) continue
          held.add(value)
          return { kind: 'lease', value, id: value }
        }
        return { kind: 'refuse', reason: 'pool main is full' }
      })
      hooks.decidePolicy.tap('permit', policy => ({
        ...policy,
        rules: [
          { action: 'permit', direction: 'from-session', name: 'out' },
          { action: 'permit', direction: 'to-session', name: 'in' },
        ],
      }))
      return {
        releaseLease: ({ value }) => {
          held.delete(value)
        },
      }
    },
  })
  return { plugin, held }
}

/** Writes down what observers are told. */
export function recorder() {
  const records: string[] = []
  const line = (what: string, { user }: SessionInfo, rest = '') =>
    records.push(`${what} ${user ?? '?'}${rest}`)
  const plugin = definePlugin({
    name: 'recorder',
    config: z.strictObject({}),
    setup({ hooks }) {
      hooks.tunnelUp.tap('r', () => void records.push('tunnel up'))
      hooks.tunnelDown.tap('r', ({ reason }) => void records.push(`tunnel down ${reason.cause}`))
      hooks.sessionUp.tap('r', ({ session }) => void line('start', session))
      hooks.sessionUpdate.tap('r', ({ session }) => void line('interim', session))
      hooks.sessionDown.tap(
        'r',
        ({ session, reason, counters }) =>
          void line('stop', session, ` ${reason.cause} ${counters.packetsIn}`),
      )
      return { stop: () => void records.push('stopped') }
    },
  })
  return { plugin, records }
}
