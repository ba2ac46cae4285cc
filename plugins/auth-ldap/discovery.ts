/** Servers that a name service tells of: SRV records (RFC 2782), as Active Directory announces its controllers. */
import { Resolver } from 'node:dns/promises'
import type { Clock, Logger, Milliseconds, Random } from 'burrow'
import { causeOf, Unavailable } from './failures.ts'
import type { Server } from './servers.ts'

export interface DiscoveryOptions {
  readonly domain: string
  /** What stands before the domain. */
  readonly service: string
  readonly ldaps: boolean
  readonly dnsServers: readonly string[]
  readonly refreshS: number
}

interface DiscoveryParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

interface Srv {
  readonly name: string
  readonly port: number
  readonly priority: number
  readonly weight: number
}

const LDAP_PORT = 389
const LDAPS_PORT = 636
const RETRY_MS = 10_000
const LOOKUP_MS = 2000

export class Discovery {
  readonly #options: DiscoveryOptions
  readonly #parts: DiscoveryParts
  readonly #resolver = new Resolver({ timeout: LOOKUP_MS, tries: 2 })
  #known: readonly Server[] = []
  #again: Milliseconds = Number.NEGATIVE_INFINITY
  #asking: Promise<readonly Server[]> | undefined

  constructor(options: DiscoveryOptions, parts: DiscoveryParts) {
    this.#options = options
    this.#parts = parts
    if (options.dnsServers.length > 0) this.#resolver.setServers(options.dnsServers)
  }

  /** What is known; asked for again once in a while, and then what was known serves on where nobody answers. */
  readonly list = (): readonly Server[] | Promise<readonly Server[]> => {
    if (this.#parts.clock.now() < this.#again && this.#known.length > 0) return this.#known
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    return this.#known.length > 0 ? this.#known : this.#asking
  }

  async #ask(): Promise<readonly Server[]> {
    const { clock, log } = this.#parts
    const { domain, service, refreshS } = this.#options
    const question = `${service}.${domain}`
    try {
      const records = await this.#resolver.resolveSrv(question)
      const own = records.filter(record => this.#isOwn(record))
      if (own.length < records.length)
        log.warn(
          { question },
          'a name service names directory servers outside of the domain; they are left out',
        )
      if (own.length === 0) throw new Error('it names no server of the domain')
      this.#known = await Promise.all(this.#inOrder(own).map(record => this.#serverOf(record)))
      this.#again = clock.now() + refreshS * 1000
    } catch (error) {
      this.#again = clock.now() + RETRY_MS
      const reason = causeOf(error)
      log.error({ question, reason }, 'directory servers cannot be found')
      if (this.#known.length === 0)
        throw new Unavailable(`no directory server found by ${question}: ${reason}`)
    }
    return this.#known
  }

  /** Who can forge an answer must not lead us to a server with a certificate of its own (RFC 6125 has names of the domain compared). */
  #isOwn({ name }: Srv): boolean {
    return name.toLowerCase().endsWith(`.${this.#options.domain}`)
  }

  /** By priority; within one, by chance and weight. */
  #inOrder(records: readonly Srv[]): readonly Srv[] {
    const drawn = records.map(record => {
      // The largest of u^(1/weight) comes first as often as its weight wants (Efraimidis and Spirakis).
      const chance = ((this.#parts.random.uint32() + 1) / 2 ** 32) ** (1 / Math.max(record.weight, 0.01))
      return { record, chance }
    })
    drawn.sort((a, b) => a.record.priority - b.record.priority || b.chance - a.chance)
    return drawn.map(({ record }) => record)
  }

  async #serverOf({ name, port }: Srv): Promise<Server> {
    const { ldaps, dnsServers } = this.#options
    // Controllers announce the plain port alone.
    const used = ldaps && port === LDAP_PORT ? LDAPS_PORT : port
    const server = {
      name: `${ldaps ? 'ldaps' : 'ldap'}://${name}:${used}`,
      host: name,
      port: used,
      secure: ldaps,
    }
    // The system's resolver may not know the domain.
    const [address] = dnsServers.length === 0 ? [] : await this.#resolver.resolve4(name).catch(() => [])
    return address === undefined ? server : { ...server, address }
  }
}
