/** IPv6 of a call on the client's side: it comes some time after IPv4, may change, and may go while the call goes on. */
import type { Logger } from '../ports.ts'
import type { SessionIpv6 } from '../protocol/outputs.ts'
import type { Kernel, TunNetwork6 } from './node/kernel.ts'

export interface ClientIpv6Parts {
  readonly kernel: Pick<Kernel, 'addIpv6' | 'removeIpv6'>
  readonly tunName: string
  /** Of the device: of IPv6 as well, where the router does not want less. */
  readonly mtuBytes: number
  /** Of IPv6. */
  readonly routes: readonly string[]
  readonly log: Logger
  /** Called when the device has the address, when what goes with it changes, and with undefined when it has none any more. */
  readonly onChange: (ipv6: SessionIpv6 | undefined) => void
}

export class ClientIpv6 {
  readonly #parts: ClientIpv6Parts
  #has: TunNetwork6 | undefined
  #dns = ''
  /** What is still to be made of it: a router that speaks faster than the kernel acts is heard once it has acted. */
  #wanted: { readonly ipv6: SessionIpv6 | undefined } | undefined
  #busy: Promise<void> | undefined

  constructor(parts: ClientIpv6Parts) {
    this.#parts = parts
  }

  /** What the session has of IPv6 now. */
  follow(ipv6: SessionIpv6 | undefined): void {
    this.#wanted = { ipv6 }
    this.#busy ??= this.#work()
  }

  /** Resolves when the device is as it was told last. */
  async settled(): Promise<void> {
    await this.#busy
  }

  async #work(): Promise<void> {
    for (let next = this.#wanted; next !== undefined; next = this.#wanted) {
      this.#wanted = undefined
      try {
        await this.#become(next.ipv6)
      } catch (error) {
        this.#parts.log.error({ error }, 'the address of IPv6 could not be changed; IPv4 is as it was')
      }
    }
    this.#busy = undefined
  }

  async #become(ipv6: SessionIpv6 | undefined): Promise<void> {
    const { kernel, tunName, mtuBytes: mostBytes, routes, onChange } = this.#parts
    const before = this.#has
    const address = ipv6?.address
    const mtuBytes = Math.min(ipv6?.mtuBytes ?? mostBytes, mostBytes)
    const dns = ipv6?.dns?.join() ?? ''
    const isNews = dns !== this.#dns
    this.#dns = dns
    if (before?.address === address && (before === undefined || before.mtuBytes === mtuBytes)) {
      if (address !== undefined && isNews) onChange(ipv6)
      return
    }
    this.#has = undefined
    if (before !== undefined) await kernel.removeIpv6(tunName, before)
    if (address === undefined) return onChange(undefined)
    const network = { address, routes, mtuBytes }
    try {
      await kernel.addIpv6(tunName, network)
    } catch (error) {
      await kernel.removeIpv6(tunName, network)
      if (before !== undefined) onChange(undefined)
      throw error
    }
    this.#has = network
    onChange(ipv6)
  }
}
