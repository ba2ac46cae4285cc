/** RADIUS over UDP (RFC 2865 3): each socket has a port, and with it identifiers, of its own. */
import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import type { OpenChannel } from './channel.ts'

export interface UdpTarget {
  /** An IPv4 or IPv6 address. */
  readonly address: string
  readonly port: number
  /** Sent from; the kernel's choice when it is not given. */
  readonly localAddress?: string
}

/** Room for what a server sends while we are busy: some hundred answers. */
const RECEIVE_BUFFER_BYTES = 1024 * 1024

/** Sent together: each packet that finds the server asleep costs as much as several that do not. */
const BATCH = 24

/** Not connected to the server: so that what comes from elsewhere is seen, counted and said. */
export function udpChannel({ address, port, localAddress }: UdpTarget): OpenChannel {
  return events => {
    const family = isIPv6(address) ? 6 : 4
    const socket = createSocket({
      type: `udp${family}`,
      recvBufferSize: RECEIVE_BUFFER_BYTES,
      // The address is one already: no resolver, no wait for it.
      lookup: (host, _, callback) => callback(null, host, family),
    })
    let open = true
    let waiting: Uint8Array[] = []
    const flush = () => {
      const packets = waiting
      waiting = []
      // What the kernel will not send now is sent again later, or is missed like anything that is lost on the way.
      if (open) for (const bytes of packets) socket.send(bytes, port, address)
    }
    const close = () => {
      if (!open) return
      flush()
      open = false
      socket.close()
    }
    // Without a resolver this comes within `bind`.
    socket.on('listening', () => queueMicrotask(() => open && events.onOpen()))
    socket.on('message', (bytes, from) => {
      if (!open) return
      if (from.port === port && from.address === address) events.onPacket(bytes)
      else events.onBad('wrong-source', { from: `${from.address} port ${from.port}` })
    })
    socket.on('error', error => {
      if (!open) return
      close()
      events.onClosed(error.message)
    })
    socket.bind(0, localAddress)
    return {
      send(bytes) {
        if (waiting.push(bytes) === 1) setImmediate(flush)
        else if (waiting.length === BATCH) flush()
      },
      close,
    }
  }
}
