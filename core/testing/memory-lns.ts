/** A whole server in memory: the real one, between a network, a TUN and a kernel that are none. */
import { writeFileSync } from 'node:fs'
import type { SocketAddress } from '../ports.ts'
import type { Event } from '../protocol/outputs.ts'
import type { LoadedConfig } from '../runtime/config-file.ts'
import type { Credential, DryRun } from '../runtime/dry-run.ts'
import type { Explained } from '../runtime/explain.ts'
import type { Lns } from '../runtime/lns.ts'
import type { ReloadReport } from '../runtime/reload.ts'
import type { SessionRow } from '../runtime/session-rows.ts'
import type { LoggedLine } from './log.ts'
import {
  type DialOptions,
  type MemoryCall,
  PacketTap,
  type PlacedCall,
  placeCall,
  type RefusedCall,
} from './memory-call.ts'
import { configFile, configReader, type MemoryConfig } from './memory-config.ts'
import { MemoryWorld } from './memory-world.ts'
import { OutsideWork } from './outside-work.ts'
import { ipv4Packet, type PacketKind } from './packets.ts'
import type { TestScope } from './scope.ts'
import { VirtualClock } from './virtual-clock.ts'

export interface MemoryLnsOptions extends MemoryConfig {
  /**
   * For how long, in real time, virtual time stands still for a plugin that waits for a connection or another program.
   * Default: 2000 ms. What waits for nothing real costs no real time, however long its deadline.
   */
  readonly patienceMs?: number
}

const PATIENCE_MS = 2000
/** The server's address where its config listens on every one of the host. */
const ANY = '0.0.0.0'
const ADDRESS_FOR_ANY = '2.2.2.2'

/**
 * Starts the server that a config describes, without root, network or waiting: the real config loader, plugin host, hooks,
 * L2TP, PPP and forwarding, over a network, a TUN device and a kernel in memory, in virtual time. It stops when the test is
 * over. Throws what `burrow serve` would.
 *
 *     const lns = await startMemoryLns(t, { plugins: [myPlugin] }) // asked before those of the reference scenario
 *     const call = await lns.dial({ user: 'hb@hb', password: 'admin@123' })
 *     assert.equal(call.kind, 'up')
 */
export async function startMemoryLns(t: TestScope, options: MemoryLnsOptions = {}): Promise<MemoryLns> {
  const outside = new OutsideWork(options.patienceMs ?? PATIENCE_MS)
  t.after(() => outside.close())
  const file = configFile(t, options)
  const read = configReader(file, options.plugins ?? [], outside.watched)
  const config = await read()
  const listen = config.server.listen.map(({ address, port }) => ({
    address: address === ANY ? ADDRESS_FOR_ANY : address,
    port,
  }))
  const addresses = [...new Set(listen.map(({ address }) => address))]
  const world = new MemoryWorld({ addresses, clock: new VirtualClock(outside.settled) })
  const lns = new MemoryLns(world, { configFile: file, listen, read })
  await lns.start(config)
  t.after(() => lns.stop())
  return lns
}

interface Parts {
  readonly configFile: string
  readonly listen: readonly SocketAddress[]
  readonly read: () => Promise<LoadedConfig>
}

/** A server in memory, and the clients that dial it. `startMemoryLns` makes it. */
export class MemoryLns {
  readonly #world: MemoryWorld
  readonly #parts: Parts
  readonly #tun: PacketTap
  #lns: Lns | undefined

  constructor(world: MemoryWorld, parts: Parts) {
    this.#world = world
    this.#parts = parts
    this.#tun = new PacketTap(world.tun)
  }

  /** The time of the server and of every client. `dial`, `hangUp` and `stop` pass it by themselves. */
  get clock(): VirtualClock {
    return this.#world.clock
  }

  /** What the server and its plugins logged, at every level. */
  get log(): readonly LoggedLine[] {
    return this.#world.lines
  }

  /** What the server told its observers, and what it ignored, since the test began. */
  get events(): readonly Event[] {
    return this.#world.events
  }

  /** What the server asked of the kernel, in order, in words: addresses, routes, settings. */
  get kernelLog(): readonly string[] {
    return this.#world.kernel.done
  }

  /** The config file: yours, or the one that `yaml` was written to. It is read again by `start`. */
  get configFile(): string {
    return this.#parts.configFile
  }

  /** Who is in, as `burrow sessions` shows it. */
  sessions(): readonly SessionRow[] {
    return this.#lns?.sessions() ?? []
  }

  /**
   * Why calls were let in or refused, as `burrow explain` tells it: of a session id, a user, or an address of a client; the newest
   * first. Throws TRAIL_NOT_FOUND where nothing is known.
   *
   *     const [call] = lns.explain('hb@hb')
   *     assert.equal(call?.refusal?.reason, 'wrong password')
   */
  explain(about: string): readonly Explained[] {
    return this.#lns?.explain({ about, most: 1000 }).records ?? []
  }

  /**
   * What would become of a login, as `burrow try` tells it: nobody dials, and nothing changes.
   *
   *     const { outcome, lease } = await lns.dryRun({ user: 'hb@hb', password: 'admin@123', method: 'pap' })
   */
  async dryRun(credential: Credential): Promise<DryRun> {
    const lns = this.#lns
    if (lns === undefined) throw new RangeError('the server is not running')
    return this.clock.settled('the login is tried', lns.dryRun(credential))
  }

  /**
   * Dials, and passes the time until the call is up or refused. Several may dial at once.
   *
   *     const [one, two] = await Promise.all([lns.dial(ALICE), lns.dial(BOB)])
   */
  dial(options: DialOptions): Promise<MemoryCall | RefusedCall> {
    return this.clock.settled('the call is up or refused', this.place(options).outcome)
  }

  /** As `dial` for a call that must come up: fails with the refusal otherwise. */
  async dialUp(options: DialOptions): Promise<MemoryCall> {
    const call = await this.dial(options)
    if (call.kind === 'up') return call
    throw new Error(`the call of ${options.user} was refused: ${call.code}, ${call.message}`)
  }

  /**
   * Begins to dial and leaves the passing of time to you: for a client that hangs up or vanishes while a plugin decides.
   *
   *     const placed = lns.place({ user: 'hb@hb', password: 'wrong' })
   *     await lns.clock.until('the plugin is asked', () => asked)
   *     placed.hangUp()
   *     await lns.clock.advance(1000)
   */
  place(options: DialOptions): PlacedCall {
    const [first] = this.#parts.listen
    const remote =
      options.to === undefined ? first : this.#parts.listen.find(({ address }) => address === options.to)
    if (remote === undefined) throw new RangeError(`the server does not listen on ${options.to}`)
    return placeCall(this.#world, remote, this.#tun, options)
  }

  /**
   * Whether a packet from `source`, behind the server, comes to the client of a call.
   *
   *     assert.ok(!(await lns.reaches(call, '192.168.1.1', { protocol: 'tcp', port: 22 })))
   */
  reaches(call: MemoryCall, source: string, kind: PacketKind = {}): Promise<boolean> {
    const packet = ipv4Packet({ source, destination: call.address, ...kind })
    return call.sees(packet, () => this.send(packet))
  }

  /** Sends IPv4 packets from behind the server towards its sessions, as they are. */
  async send(...packets: readonly Uint8Array[]): Promise<void> {
    for (const packet of packets) this.#world.tun.inject(packet)
    await this.clock.advance(0)
  }

  /** What came out of sessions, and behind the server, since the last look: the latest 1024 packets at most. */
  received(): readonly Uint8Array[] {
    return this.#tun.take()
  }

  /** Starts it again after `stop` or `crash`, as the config file is then. */
  async start(config?: LoadedConfig): Promise<void> {
    const lns = this.#world.makeLns(config ?? (await this.#parts.read()))
    await this.clock.settled('the server has started', lns.start())
    this.#lns = lns
  }

  /**
   * Reads the config file again, as `burrow reload` does; `yaml` is written to it before. What is wrong with it is thrown, and
   * the old config goes on.
   *
   *     const { enforced } = await lns.reload(withoutHb, { enforce: true })
   */
  async reload(
    yaml?: string,
    { enforce = false }: { readonly enforce?: boolean } = {},
  ): Promise<ReloadReport> {
    const lns = this.#lns
    if (lns === undefined) throw new RangeError('the server is not running')
    if (yaml !== undefined) writeFileSync(this.configFile, yaml)
    return this.clock.settled('the config is reloaded', lns.reload(this.#parts.read, { enforce }))
  }

  /** Stops it in order: every client is told, every Stop record written. Idempotent. */
  async stop(): Promise<void> {
    const lns = this.#lns
    this.#lns = undefined
    if (lns !== undefined) await this.clock.settled('the server has stopped', lns.stop())
  }

  /** The server dies without a word; its clients find out by themselves. Its plugins are not stopped. */
  async crash(): Promise<void> {
    this.#lns = undefined
    await this.#world.crash()
  }
}
