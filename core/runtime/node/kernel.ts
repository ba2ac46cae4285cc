/** The Linux kernel's side of a VPN: addresses, routes and settings, through `ip` and /proc/sys. */
import type { Prefix } from '../../flow.ts'
import type { InterfaceWays } from '../../plugin/interfaces.ts'
import type { Clock, Logger, Milliseconds, SocketAddress } from '../../ports.ts'
import type { KernelRoute } from '../route-reach.ts'

export interface TunNetwork {
  /** Of IPv4, without a length: what lies behind the device stands in `routes`. Absent: it has none. */
  readonly address?: string
  /** The other end of a point-to-point link (the client's side). */
  readonly peer?: string
  readonly mtuBytes: number
  /** Prefixes; 0.0.0.0/0 and ::/0 become two halves each, so that the host's own default route stays. */
  readonly routes: readonly string[]
  /** Whether the device takes IPv6. */
  readonly ipv6: boolean
  /** Where the routes go; absent: the main table. */
  readonly tables?: RouteTables
}

/** In the place of the main table, where rules choose who may look routes to sessions up. */
export interface RouteTables {
  readonly permitted: number
  /** The same prefixes as `permitted`, prohibited. */
  readonly denied: number
}

export interface TunNetwork6 {
  /** Without a length. */
  readonly address: string
  readonly routes: readonly string[]
  /** Of packets of IPv6; at most that of the device. */
  readonly mtuBytes: number
}

/** Undoes what was set; idempotent, never rejects. */
export interface Undo {
  undo(): Promise<void>
}

/** A setting that is not as it must be, and the command that sets it. */
export interface KernelFinding {
  /** As sysctl(8) names it. */
  readonly setting: string
  readonly is: string
  readonly wanted: string
  readonly why: string
  readonly command: string
}

export interface KernelWatch {
  readonly clock: Clock
  readonly log: Logger
  readonly everyMs?: Milliseconds
}

/** Watches the host's own addresses. */
export interface OwnAddresses {
  /** Local and broadcast addresses, of IPv6 local and anycast ones, as the kernel's local tables have them. */
  readonly prefixes: readonly Prefix[]
  refresh(): Promise<void>
  stop(): void
}

/** A watch that goes on until it is stopped. */
export interface Watching {
  stop(): void
}

/** Keeps packets between sessions and interfaces to `InterfaceWays`, as `ServerInterfaces.keep` says. */
export interface InterfaceGuard {
  readonly means: 'nftables' | 'ip rule'
  /** Where routes to sessions must go for it to work; undefined: anywhere. */
  readonly tables: RouteTables | undefined
  /** Resolves when the kernel keeps to these, and no packet passed meanwhile that fits neither. */
  change(ways: InterfaceWays): Promise<void>
  /** Nothing is kept to, and nothing left behind. Idempotent, never rejects. */
  close(): Promise<void>
}

/** Whatever `ip` refuses is NETWORK_SETUP, with its own words. */
export interface Kernel {
  /** Gives the device its address, MTU and routes, and brings it up. The kernel forgets all of it with the device. */
  configureTun(name: string, network: TunNetwork): Promise<void>
  /** Gives the device an address of IPv6 and routes over it. */
  addIpv6(tunName: string, network: TunNetwork6): Promise<void>
  /** Takes them away, as far as they are there. */
  removeIpv6(tunName: string, network: TunNetwork6): Promise<void>
  addRoutes(tunName: string, prefixes: readonly string[], tables?: RouteTables): Promise<void>
  deleteRoutes(tunName: string, prefixes: readonly string[], tables?: RouteTables): Promise<void>
  /** Keeps the way to `remote` outside of any tunnel: a host route over the gateway of now. */
  pinHostRoute(remote: string): Promise<Undo>
  /** The source address that the kernel would take towards `remote`. */
  localAddressFor(remote: SocketAddress): Promise<string>
  /** What keeps packets from being forwarded between `tunName`, which need not exist yet, and other interfaces. */
  checkForwarding(tunName: string, families: { readonly ipv6: boolean }): readonly KernelFinding[]
  /** Sets what `findings` name, or throws KERNEL_SETTING with nothing changed. */
  mend(findings: readonly KernelFinding[]): Undo
  /** Reads the own addresses now and every 5 s; tells `onChange` first and then whenever they differ. */
  watchOwnAddresses(
    watch: KernelWatch,
    onChange: (prefixes: readonly Prefix[]) => void,
  ): Promise<OwnAddresses>
  /** Names of the network interfaces. */
  interfaces(): readonly string[]
  /** Reads the main table now and every 5 s; tells `onChange` first and then whenever it differs, and waits for it. */
  watchRoutes(
    watch: KernelWatch,
    onChange: (routes: readonly KernelRoute[]) => void | Promise<void>,
  ): Promise<Watching>
  /** By nftables, or by rules of routing where that cannot be had; INTERFACE_ZONES with the reasons where neither can. */
  guardInterfaces(tunName: string, ways: InterfaceWays, watch: KernelWatch): Promise<InterfaceGuard>
  /** Takes away what a dead server left of a guard of `tunName`. Never rejects. */
  removeGuard(tunName: string): Promise<void>
  /** Why nftables cannot be had, as far as that can be told without a change; undefined: it can. */
  nftProblem(): Promise<string | undefined>
}
