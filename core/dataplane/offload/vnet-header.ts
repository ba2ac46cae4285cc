/**
 * struct virtio_net_hdr: what stands before each packet of a TUN that has offloads (virtio 1.2, 5.1.6). A super-packet is one of TCP or UDP that
 * is still to be cut, or that was put together, with `gsoSize` octets of payload in each part but the last.
 */

export const VNET_HEADER_BYTES = 10

export const NEEDS_CHECKSUM = 1
/** Of `gso_type`. */
export const GSO = { none: 0, tcp4: 1, tcp6: 4, udp: 5 } as const
/** A bit of it: the first part has CWR, and no other. */
export const GSO_ECN = 0x80

/** Where its fields are. All are of the host's order, which is little-endian. */
export const VNET = {
  flags: 0,
  gsoType: 1,
  headerBytes: 2,
  gsoSize: 4,
  checksumStart: 6,
  checksumOffset: 8,
} as const
