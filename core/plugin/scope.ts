/** What a plugin of a deployment sees of the server: its own pools under their names, those of everybody, its own sessions. */
import type { SessionInfo } from '../protocol/outputs.ts'
import type { ServerView } from './plugin.ts'

/** `server` as the plugins of a deployment see it; those outside of all see every session, and the pools of each as `DEPLOYMENT/POOL`. */
export function scopedServer(
  server: ServerView,
  deployment: string | undefined,
  deploymentOf: (session: SessionInfo) => string | undefined,
): ServerView {
  if (deployment === undefined) return server
  const prefix = `${deployment}/`
  /** To us it is the key of no session. */
  const isOthers = (key: string) =>
    server.sessions(up => up.session.key === key && deploymentOf(up.session) !== deployment).length > 0
  return {
    gatewayAddress: server.gatewayAddress,
    tunName: server.tunName,
    defaultZone: server.defaultZone,
    authMethods: server.authMethods,
    exposed: server.exposed,
    interfaces: server.interfaces,
    ownAddresses: () => server.ownAddresses(),
    sessionsOf: user => server.sessionsOf(user).filter(session => deploymentOf(session) === deployment),
    sessions: (wanted = () => true) =>
      server.sessions(up => deploymentOf(up.session) === deployment && wanted(up)),
    regrant: async (key, change) => (isOthers(key) ? 'gone' : server.regrant(key, change)),
    sessionHolding: lease => server.sessionHolding(lease),
    endSession: async (key, cause, text) => {
      if (!isOthers(key)) await server.endSession(key, cause, text)
    },
    tunnels: wanted => server.tunnels(wanted),
    protectTunnel: (key, protection) => server.protectTunnel(key, protection),
    dropTunnel: (key, text) => server.dropTunnel(key, text),
    declarePool: (name, prefixes) => server.declarePool(prefix + name, prefixes),
    pools: () => {
      const all = [...server.pools()]
      const own = all.filter(([name]) => name.startsWith(prefix))
      // Its own last: of two of one name it is the one that counts.
      return new Map([
        ...all.filter(([name]) => !name.includes('/')),
        ...own.map(([name, prefixes]) => [name.slice(prefix.length), prefixes] as const),
      ])
    },
  }
}
