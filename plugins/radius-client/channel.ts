/** A way to a server: a UDP socket, or a TLS connection. */

/** What one tells of itself. */
export interface ChannelEvents {
  /** Packets can be sent from now on. */
  onOpen(): void
  /** A whole packet, of the server as far as addresses tell. */
  onPacket(bytes: Uint8Array): void
  /** Something came in that is none; of a closed set. */
  onBad(reason: 'wrong-source', fields: { readonly from: string }): void
  /** It is of no use any more, or never was; not told after `close`. */
  onClosed(reason: string): void
}

export interface Channel {
  send(bytes: Uint8Array): void
  close(): void
}

/** Opens one; events come later, never within the call. */
export type OpenChannel = (events: ChannelEvents) => Channel
