/** The Linux kernel's side of a VPN: addresses, routes and settings, through `ip` and /proc/sys. */
import type { Prefix } from '../../flow.ts'
import type { Clock, SocketAddress } from '../../ports.ts'

export interface TunNetwork {
  readonly address: string
  /** The other end of a point-to-point link (the client's side). */
  readonly peer?: string
  readonly mtuBytes: number
  /** Prefixes behind the device; 0.0.0.0/0 becomes two halves, so that the host's own default route stays. */
  readonly routes: readonly string[]
}

/** Undoes what was set; idempotent, never rejects. */
export interface Undo {
  undo(): Promise<void>
}

/** A setting that is not as it must be, and the command that sets it. */
export interface KernelFinding {
  readonly setting: string
  readonly is: string
  readonly wanted: string
  readonly why: string
  readonly command: string
}

/** Watches the host's own addresses. */
export interface OwnAddresses {
  /** Local and broadcast addresses of the host, as the kernel's local table has them. */
  readonly prefixes: readonly Prefix[]
  refresh(): Promise<void>
  stop(): void
}

export interface Kernel {
  /** Gives the device its address, MTU and routes, and brings it up. The kernel forgets all of it with the device. */
  configureTun(name: string, network: TunNetwork): Promise<void>
  addRoutes(tunName: string, prefixes: readonly string[]): Promise<void>
  deleteRoutes(tunName: string, prefixes: readonly string[]): Promise<void>
  /** Keeps the way to `remote` outside of any tunnel: a host route through the gateway of now. */
  pinHostRoute(remote: string): Promise<Undo>
  /** The source address that the kernel would take towards `remote`. */
  localAddressFor(remote: SocketAddress): Promise<string>
  /** What keeps packets from being forwarded between `tunName` and the other interfaces. */
  checkForwarding(tunName: string): readonly KernelFinding[]
  /** Sets what `findings` name. */
  mend(findings: readonly KernelFinding[]): Undo
  /** Reads the own addresses now and every `everyMs`; tells `onChange` first and then whenever they differ. */
  watchOwnAddresses(
    clock: Clock,
    onChange: (prefixes: readonly Prefix[]) => void,
    everyMs?: number,
  ): Promise<OwnAddresses>
}
