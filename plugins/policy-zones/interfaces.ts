/** Zones that have interfaces: which addresses are theirs, and that the kernel keeps to it. */
import {
  type InterfaceReach,
  type InterfaceWays,
  type Logger,
  type Prefix,
  prefixesWithout,
  type ServerView,
} from 'burrow'
import { UNTRUST, type Zone } from './config.ts'
import { invalid, type Routed } from './zones.ts'

type Options = Readonly<Record<string, Zone>>

export const hasInterfaces = (zones: Options): boolean =>
  Object.values(zones).some(({ interfaces }) => interfaces.length > 0)

/** Whether what is routed over interfaces says what is in some zone. */
export const isRouted = (zones: Options): boolean =>
  Object.entries(zones).some(([name, { addresses }]) => name !== UNTRUST && addresses === undefined)

/** What is routed over interfaces of one zone, and over no others: of the rest nobody knows which way it comes. */
export function routedBy(zones: Options, reach: InterfaceReach): Routed {
  const over = (devices: readonly string[]): readonly Prefix[] => [
    ...new Map(
      devices
        .flatMap(device => reach[device] ?? [])
        .map(prefix => [`${prefix.address}/${prefix.length}`, prefix]),
    ).values(),
  ]
  return new Map(
    Object.entries(zones).flatMap(([name, { addresses, interfaces }]) => {
      if (name === UNTRUST || addresses !== undefined) return []
      const others = Object.keys(reach).filter(device => !interfaces.includes(device))
      return [[name, prefixesWithout(over(interfaces), over(others))] as const]
    }),
  )
}

/** Throws where it cannot be; warns of what is not there yet. For `check`. */
export async function checkInterfaces(
  zones: Options,
  { tunName, interfaces }: Pick<ServerView, 'tunName' | 'interfaces'>,
  log: Logger,
): Promise<void> {
  const there = interfaces.names()
  for (const [zone, { interfaces: wanted }] of Object.entries(zones))
    for (const name of wanted) {
      if (name === tunName)
        throw invalid(
          `zone ${zone}: ${name} is the interface of sessions; their zone is that of their addresses`,
        )
      if (!there.includes(name))
        log.warn({ zone, interface: name }, `zone ${zone}: there is no interface ${name} yet`)
    }
  const problem = await interfaces.problem()
  if (problem !== undefined)
    log.warn({}, `zones of interfaces are kept by rules of routing in the place of nftables: ${problem}`)
}

/** What the kernel is asked to keep to while rules of several times are in force. */
export class KeptWays {
  readonly #interfaces: ServerView['interfaces']
  /** Of the past: some session may still have rules by them. */
  #before: InterfaceWays[] = []
  #now: InterfaceWays | undefined

  constructor(interfaces: ServerView['interfaces']) {
    this.#interfaces = interfaces
  }

  /** Whether some of the past are kept to as well. */
  get isNarrow(): boolean {
    return this.#before.length > 0
  }

  /** These, and those of before until `widen`: whatever is in another zone now passes nowhere meanwhile. */
  async narrow(ways: InterfaceWays): Promise<void> {
    const before = this.#now === undefined ? this.#before : [...this.#before, this.#now]
    await this.#interfaces.keep(this, [...before, ways])
    this.#before = before
    this.#now = ways
  }

  /** Nobody has rules of the past any more. */
  async widen(): Promise<void> {
    if (this.#now !== undefined) await this.#interfaces.keep(this, [this.#now])
    this.#before = []
  }

  async release(): Promise<void> {
    await this.#interfaces.keep(this, [])
  }
}
