import { createSocket } from 'node:dgram'
import { BurrowError } from '../../errors.ts'
import type { Prefix } from '../../flow.ts'
import type { SocketAddress, TimerHandle } from '../../ports.ts'
import type { KernelWatch, OwnAddresses } from './kernel.ts'
import { ipShow } from './kernel-ip.ts'

const DEFAULT_EVERY_MS = 5000

/** Connecting a UDP socket sends nothing: the kernel only looks up the way. */
export function localAddressFor(remote: SocketAddress): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(remote.address.includes(':') ? 'udp6' : 'udp4')
    const fail = (cause: Error) => {
      socket.close()
      reject(
        new BurrowError(
          'NETWORK_SETUP',
          `there is no way to ${remote.address}: ${cause.message}`,
          {},
          { cause },
        ),
      )
    }
    socket.once('error', fail)
    socket.once('connect', () => {
      const { address } = socket.address()
      socket.close()
      resolve(address)
    })
    socket.connect(remote.port, remote.address)
  })
}

export async function watchOwnAddresses(
  { clock, log, everyMs = DEFAULT_EVERY_MS }: KernelWatch,
  onChange: (prefixes: readonly Prefix[]) => void,
): Promise<OwnAddresses> {
  let prefixes: readonly Prefix[] = []
  let timer: TimerHandle | undefined
  let stopped = false

  const refresh = async () => {
    const found = await readOwnAddresses()
    if (stopped || JSON.stringify(found) === JSON.stringify(prefixes)) return
    prefixes = found
    onChange(found)
  }
  const watch = () => {
    timer = clock.setTimer(everyMs, async () => {
      try {
        await refresh()
      } catch (error) {
        log.error({ error }, 'the own addresses could not be read; the last known ones stay protected')
      }
      if (!stopped) watch()
    })
  }

  await refresh()
  watch()
  return {
    get prefixes() {
      return prefixes
    },
    refresh,
    stop() {
      stopped = true
      timer?.cancel()
    },
  }
}

const OWN: ReadonlySet<string | undefined> = new Set(['local', 'broadcast', 'anycast'])

/** The local tables also have addresses of devices without a carrier, and prefixes that were made local by hand. */
async function readOwnAddresses(): Promise<readonly Prefix[]> {
  const own = async (family: 4 | 6, bits: string) => {
    const routes = await ipShow(family, 'route', 'show', 'table', 'local')
    return routes.flatMap(({ type, dst }) => {
      if (dst === undefined || !OWN.has(type)) return []
      const [address = '', length = bits] = dst.split('/')
      return [{ address, length: Number(length) }]
    })
  }
  return [...(await own(4, '32')), ...(await own(6, '128'))]
}
