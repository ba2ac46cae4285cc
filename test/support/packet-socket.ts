/** The kernel's side of a network device, octet by octet (packet(7)). */
import { libc, NativeMemory } from '../../core/dataplane/tun/libc.ts'
import type { Netns } from './netns.ts'

const AF_PACKET = 17
const SOCK_DGRAM_NONBLOCK = 2 | 0x800
const ETH_P_IP = 0x0800
/** struct sockaddr_ll. */
const SOCKADDR_LL_BYTES = 20
const LONGEST_PACKET_BYTES = 65_535

export interface PacketSocket {
  /** Out of the device: what a TUN's owner reads. */
  inject(packet: Uint8Array): void
  /** IPv4 packets that came in by the device since the last call. */
  take(): Uint8Array[]
  close(): void
}

export function openPacketSocket(netns: Netns, device: string): PacketSocket {
  const index = Number(netns.exec('cat', `/sys/class/net/${device}/ifindex`))
  const fd = netns.inside(() => libc.socket(AF_PACKET, SOCK_DGRAM_NONBLOCK, swap(ETH_P_IP)))
  const name = new NativeMemory(SOCKADDR_LL_BYTES)
  name.view.setUint16(0, AF_PACKET, true)
  name.view.setUint16(2, ETH_P_IP)
  name.view.setInt32(4, index, true)
  if (libc.bind(fd, name.address, SOCKADDR_LL_BYTES) !== 0) throw new Error(`no packet socket on ${device}`)
  const memory = new NativeMemory(LONGEST_PACKET_BYTES)
  return {
    inject(packet) {
      memory.bytes.set(packet)
      if (libc.write(fd, memory.address, packet.length) !== packet.length) throw new Error('not injected')
    },
    take() {
      const packets: Uint8Array[] = []
      for (;;) {
        const length = libc.read(fd, memory.address, LONGEST_PACKET_BYTES)
        if (length < 0) return packets
        packets.push(memory.bytes.slice(0, length))
      }
    },
    close: () => void libc.close(fd),
  }
}

function swap(word: number): number {
  return ((word & 0xff) << 8) | (word >> 8)
}
