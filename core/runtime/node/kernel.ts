/** The Linux kernel's side of a VPN: addresses, routes and settings, through `ip` and /proc/sys. */
import type { Prefix } from '../../flow.ts'
import type { Clock, Logger, Milliseconds, SocketAddress } from '../../ports.ts'

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

export interface OwnAddressWatch {
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

/** Whatever `ip` refuses is NETWORK_SETUP, with its own words. */
export interface Kernel {
  /** Gives the device its address, MTU and routes, and brings it up. The kernel forgets all of it with the device. */
  configureTun(name: string, network: TunNetwork): Promise<void>
  /** Gives the device an address of IPv6 and routes over it. */
  addIpv6(tunName: string, network: TunNetwork6): Promise<void>
  /** Takes them away, as far as they are there. */
  removeIpv6(tunName: string, network: TunNetwork6): Promise<void>
  addRoutes(tunName: string, prefixes: readonly string[]): Promise<void>
  deleteRoutes(tunName: string, prefixes: readonly string[]): Promise<void>
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
    watch: OwnAddressWatch,
    onChange: (prefixes: readonly Prefix[]) => void,
  ): Promise<OwnAddresses>
}
