/** RadSec: RADIUS over TLS (RFC 6614), packets one after the other as over TCP (RFC 6613). */
import { isIP } from 'node:net'
import { connect } from 'node:tls'
import type { TlsFiles } from 'burrow'
import type { OpenChannel } from './channel.ts'

export interface TlsOptions extends TlsFiles {
  /** What the server's certificate must have; its address when it is not given. */
  readonly serverName?: string
}

export interface TlsTarget extends TlsOptions {
  /** An address or a name. */
  readonly address: string
  readonly port: number
  readonly localAddress?: string
}

const KEEP_ALIVE_MS = 30_000
const HEADER_BYTES = 20
const LONGEST_PACKET_BYTES = 4096

export function tlsChannel({ serverName, ...target }: TlsTarget): OpenChannel {
  const { address, port } = target
  const name = serverName ?? (isIP(address) === 0 ? address : undefined)
  return events => {
    const framer = new Framer()
    const socket = connect({
      ...target,
      host: address,
      port,
      ...(name === undefined ? {} : { servername: name }),
      minVersion: 'TLSv1.2',
      // Said here, for NODE_TLS_REJECT_UNAUTHORIZED=0 is the default else.
      rejectUnauthorized: true,
    })
    socket.setNoDelay(true)
    socket.setKeepAlive(true, KEEP_ALIVE_MS)
    let open = true
    let reason = 'the server closed the connection'
    const close = () => {
      open = false
      socket.destroy()
    }
    socket.on('secureConnect', () => open && events.onOpen())
    socket.on('data', bytes => {
      for (const packet of framer.push(bytes)) {
        if (!open) return
        if (packet === undefined) {
          reason = 'the server sent what is no RADIUS packet'
          socket.destroy()
          return
        }
        events.onPacket(packet)
      }
    })
    socket.on('error', error => {
      reason = error.message
    })
    socket.on('close', () => {
      if (!open) return
      open = false
      events.onClosed(reason)
    })
    return { send: bytes => open && socket.write(bytes), close }
  }
}

/** Cuts a stream into packets by their length field (RFC 6613 2.6.1). */
export class Framer {
  #rest: Buffer = Buffer.alloc(0)

  /** The packets that are whole now; an undefined at the end: the stream cannot be followed any further. */
  push(bytes: Buffer): readonly (Buffer | undefined)[] {
    const packets: (Buffer | undefined)[] = []
    let rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    while (rest.length >= 4) {
      const length = rest.readUInt16BE(2)
      if (length < HEADER_BYTES || length > LONGEST_PACKET_BYTES) {
        packets.push(undefined)
        break
      }
      if (rest.length < length) break
      packets.push(rest.subarray(0, length))
      rest = rest.subarray(length)
    }
    this.#rest = rest
    return packets
  }
}
