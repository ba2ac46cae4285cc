/** What plugins may know of their server, and ask of it. */
import type { Prefix } from '../flow.ts'
import type { ServerInterfaces } from '../plugin/interfaces.ts'
import type { ServerView } from '../plugin/plugin.ts'
import type { Endpoint } from '../protocol/endpoint.ts'
import type { Driver } from './driver.ts'
import { type RegrantParts, regrant } from './regrant.ts'
import { isExposed, type ServerConfig } from './server-config.ts'

/** What runs, once it does. */
export interface LiveParts extends RegrantParts {
  readonly endpoint: Endpoint
  readonly driver: Driver
}

interface ServerViewParts {
  readonly server: ServerConfig
  /** Those that plugins of this reading of the config declare. */
  readonly pools: Map<string, readonly Prefix[]>
  readonly interfaces: ServerInterfaces
  /** Addresses of the host. */
  readonly own: () => readonly string[]
  /** Plugins are set up before anything runs. */
  readonly live: () => LiveParts
}

export function serverView({ server, pools, interfaces, own, live }: ServerViewParts): ServerView {
  return {
    gatewayAddress: server.gatewayAddress,
    defaultZone: server.defaultZone,
    authMethods: server.ppp.auth,
    tunName: server.tun.name,
    exposed: isExposed(server.listen),
    interfaces,
    ownAddresses: () => [...new Set([server.gatewayAddress, ...own()])],
    sessionsOf: user => live().driver.book.ofUser(user),
    sessions: wanted => live().driver.updates(wanted),
    regrant: (key, change) => regrant(live(), key, change),
    sessionHolding: lease => live().driver.book.holding(lease),
    endSession: (key, cause, text) => live().driver.endSession(key, cause, text),
    tunnels: (wanted = () => true) => live().endpoint.tunnels().filter(wanted),
    protectTunnel: (key, protection) => live().endpoint.protect(key, protection),
    dropTunnel(key, text) {
      const { driver, endpoint } = live()
      driver.act(now => endpoint.dropTunnel(now, key, { cause: 'protection-lost', text }))
    },
    declarePool: (name, prefixes) => pools.set(name, prefixes),
    pools: () => pools,
  }
}
