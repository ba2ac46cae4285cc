/** What a plugin of a deployment sees of the server: its own pools under their names, and those of everybody. */
import type { ServerView } from './plugin.ts'

/** `server` as the plugins of a deployment see it; those outside of all see the pools of each as `DEPLOYMENT/POOL`. */
export function scopedServer(server: ServerView, deployment: string | undefined): ServerView {
  if (deployment === undefined) return server
  const prefix = `${deployment}/`
  return {
    gatewayAddress: server.gatewayAddress,
    defaultZone: server.defaultZone,
    exposed: server.exposed,
    ownAddresses: () => server.ownAddresses(),
    sessionsOf: user => server.sessionsOf(user),
    sessionHolding: lease => server.sessionHolding(lease),
    endSession: (key, cause, text) => server.endSession(key, cause, text),
    declarePool: (name, prefixes) => server.declarePool(prefix + name, prefixes),
    pools: () =>
      new Map(
        [...server.pools()].flatMap(([name, prefixes]) => {
          if (name.startsWith(prefix)) return [[name.slice(prefix.length), prefixes] as const]
          return name.includes('/') ? [] : [[name, prefixes] as const]
        }),
      ),
  }
}
