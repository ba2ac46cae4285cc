/** What a plugin may know of the network interfaces of this host, and have the kernel keep to between them and sessions. */
import type { Prefix } from '../flow.ts'

/** Which addresses may lie behind which interface; the prefixes of one list do not overlap. */
export interface InterfaceWays {
  /** By the name of an interface. */
  readonly named: Readonly<Record<string, readonly Prefix[]>>
  /** Behind every interface that is not named. */
  readonly others: readonly Prefix[]
}

/** By the name of an interface: the addresses that the kernel may send over it, by its main routing table. */
export type InterfaceReach = Readonly<Record<string, readonly Prefix[]>>

/** Interfaces of this host. */
export interface ServerInterfaces {
  /** Those that there are now. */
  names(): readonly string[]
  /** What stands in the way of keeping to any ways, in words; undefined: nothing. For `check`: it changes nothing. */
  problem(): Promise<string | undefined>
  /** Tells what is routed over which of them, first before it resolves and then whenever that changes; the listener is waited for. */
  followReach(onChange: (reach: InterfaceReach) => void | Promise<void>): Promise<{
    /** No more is told. */
    stop(): void
  }>
  /**
   * From when it resolves on, what does not fit all of these ways does not pass between an interface and a session: what comes in from an
   * address that may not lie behind its interface, and what would leave by an interface that its destination may not lie behind.
   * `owner` says whose ways they are, and replaces them when it calls again; with none it lets go. Ways of several owners count together.
   * Rejects with INTERFACE_ZONES where the kernel can be made to keep to them in no way.
   */
  keep(owner: object, ways: readonly InterfaceWays[]): Promise<void>
}
