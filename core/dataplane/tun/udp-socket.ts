/** A UDP socket of either family, in batches. One of IPv6 takes no IPv4: that has sockets of its own. */
import { BurrowError } from '../../errors.ts'
import type { Path, SocketAddress } from '../../ports.ts'
import { LONGEST_DATAGRAM_BYTES } from '../../wire/l2tp-header.ts'
import { socketText } from '../../wire/socket-text.ts'
import { copyWords, type OuterAddress, outerAddress } from '../outer-address.ts'
import { BATCH_PACKETS, type DatagramPort, HEADROOM_BYTES, PacketBatch } from '../ports.ts'
import { batchPlace, ERRNO, errno, errnoName, libc, NativeMemory, type PortCalls, portCalls } from './libc.ts'
import { IPV4, IPV6, MessageVector, type SocketFamily } from './message-vector.ts'
import { openingFilter } from './opening-filter.ts'
import { portOwner } from './port-owner.ts'

const SOCK_DGRAM = 2
const SOCK_NONBLOCK = 0x800
const SOCK_CLOEXEC = 0x80000
const SOL_SOCKET = 1
const SO_SNDBUF = 7
const SO_RCVBUF = 8
const SO_ATTACH_FILTER = 26
const SO_DETACH_FILTER = 27
const SOCK_FPROG_BYTES = 16
const SO_SNDBUFFORCE = 32
const SO_RCVBUFFORCE = 33
/** IP_MTU_DISCOVER, and that of IPv6. */
const MTU_DISCOVER = { ipv4: 10, ipv6: 23 } as const
/** Never set DF: the tunnel must pass paths whose ICMP is filtered. */
const PMTUDISC_DONT = 0
const IPV6_V6ONLY = 26
const MSG_DONTWAIT = 0x40
const POLLOUT = 4
const POLLFD_BYTES = 8
/** Bursts of a whole window from many sessions. */
const BUFFER_BYTES = 4 << 20
/** How long a full send buffer is waited for, before what is left of the batch is dropped. */
const WAIT_FOR_ROOM_MS = 10

export class UdpSocket implements DatagramPort {
  readonly fd: number
  readonly bound: SocketAddress
  protected readonly calls: PortCalls
  protected readonly isIpv6: boolean
  readonly #in: MessageVector
  readonly #out: MessageVector
  readonly #single = new NativeMemory(LONGEST_DATAGRAM_BYTES)
  /** The ends of the single datagram. */
  readonly #ends = new PacketBatch(HEADROOM_BYTES)
  readonly #poll = new NativeMemory(POLLFD_BYTES)

  /** Takes over an open socket: a file descriptor may be shared by threads, the object not. */
  constructor(fd: number, bound: SocketAddress, calls = portCalls) {
    this.fd = fd
    this.calls = calls
    this.bound = bound
    this.isIpv6 = bound.address.includes(':')
    const family = this.isIpv6 ? IPV6 : IPV4
    this.#in = new MessageVector(family)
    this.#out = new MessageVector(family)
  }

  /** Throws PORT_IN_USE or ADDRESS_NOT_LOCAL. */
  static open(listen: SocketAddress): UdpSocket {
    const address = addressOf(listen.address)
    if (address === undefined) throw new BurrowError('ADDRESS_NOT_LOCAL', `${listen.address} is no address`)
    const family = address.words === undefined ? IPV4 : IPV6
    const fd = libc.socket(family.family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    if (fd < 0) throw new BurrowError('NETWORK_SETUP', `no UDP socket: ${errnoName(errno())}`)
    try {
      setUp(fd, family)
      return new UdpSocket(fd, { address: listen.address, port: bind(fd, family, address, listen) })
    } catch (error) {
      libc.close(fd)
      throw error
    }
  }

  receive(batch: PacketBatch): boolean {
    const vector = this.#in
    const place = batchPlace(batch)
    for (let i = 0; i < BATCH_PACKETS; i++) {
      vector.prepareReceive(i)
      vector.setBuffer(i, place, slotAt(batch, i), batch.slotBytes - HEADROOM_BYTES)
    }
    const received = this.calls.recvmmsg(this.fd, vector.address(0), BATCH_PACKETS, MSG_DONTWAIT, 0)
    batch.count = 0
    batch.oversized = 0
    batch.isIpv6 = this.isIpv6
    for (let i = 0; i < received; i++) {
      if (vector.isTruncated(i)) batch.oversized++
      else this.#take(batch, i)
    }
    return received === BATCH_PACKETS
  }

  send(batch: PacketBatch, from: number, to: number): void {
    const vector = this.#out
    const place = batchPlace(batch)
    const count = to - from
    for (let i = 0; i < count; i++) {
      const packet = from + i
      vector.setBuffer(i, place, batch.at[packet] ?? 0, batch.length[packet] ?? 0)
      vector.prepareSend(i, batch, packet)
    }
    let done = 0
    while (done < count) {
      const sent = this.calls.sendmmsg(this.fd, vector.address(done), count - done, MSG_DONTWAIT)
      if (sent > 0) done += sent
      // Whatever else is wrong is wrong with the first message of the call.
      else if (this.calls.errno() !== ERRNO.EAGAIN) batch.length[from + done++] = 0
      // What finds no room in time takes the rest of the batch with it: nobody else is to wait for a slow link.
      else if (!this.roomInTime()) while (done < count) batch.length[from + done++] = 0
    }
  }

  /** False where the calls that it is made of are not to be had. */
  answers(): boolean {
    const vector = this.#in
    vector.prepareReceive(0)
    vector.setBuffer(0, this.#single.place, 0, LONGEST_DATAGRAM_BYTES)
    if (this.calls.recvmmsg(this.fd, vector.address(0), 1, MSG_DONTWAIT, 0) >= 0) return true
    return this.calls.errno() === ERRNO.EAGAIN && this.calls.sendmmsg(this.fd, vector.address(0), 0, 0) === 0
  }

  sendOne({ local, remote }: Path, bytes: Uint8Array): boolean {
    const [from, to] = [addressOf(local.address), addressOf(remote.address)]
    if (from === undefined || to === undefined || bytes.length > LONGEST_DATAGRAM_BYTES) return false
    if ((from.words !== undefined) !== this.isIpv6 || (to.words !== undefined) !== this.isIpv6) return false
    const ends = this.#ends
    ends.localAddress[0] = from.number
    ends.remoteAddress[0] = to.number
    ends.remotePort[0] = remote.port
    if (from.words !== undefined) copyWords(from.words, 0, ends.localWords, 0)
    if (to.words !== undefined) copyWords(to.words, 0, ends.remoteWords, 0)
    this.#single.bytes.set(bytes)
    this.#out.setBuffer(0, this.#single.place, 0, bytes.length)
    this.#out.prepareSend(0, ends, 0)
    return this.calls.sendmmsg(this.fd, this.#out.address(0), 1, MSG_DONTWAIT) === 1
  }

  shedOpenings(keep: number): void {
    // What the kernel does not take costs the flood nothing, and nobody else anything.
    if (keep >= 1) libc.setsockopt(this.fd, SOL_SOCKET, SO_DETACH_FILTER, this.#single.address, 4)
    else {
      const filter = openingFilter(keep)
      libc.setsockopt(this.fd, SOL_SOCKET, SO_ATTACH_FILTER, filter.address, SOCK_FPROG_BYTES)
    }
  }

  close(): void {
    libc.close(this.fd)
  }

  #take(batch: PacketBatch, i: number): void {
    const vector = this.#in
    const index = batch.count++
    batch.at[index] = slotAt(batch, i)
    batch.length[index] = vector.length(i)
    batch.localPort[index] = this.bound.port
    vector.readEnds(i, batch, index)
  }

  protected roomInTime(): boolean {
    this.#poll.view.setInt32(0, this.fd, true)
    this.#poll.view.setInt16(4, POLLOUT, true)
    return this.calls.poll(this.#poll.address, 1, WAIT_FOR_ROOM_MS) === 1
  }
}

function slotAt(batch: PacketBatch, i: number): number {
  return i * batch.slotBytes + HEADROOM_BYTES
}

function addressOf(text: string): OuterAddress | undefined {
  try {
    return outerAddress(text)
  } catch {
    return undefined
  }
}

function setUp(fd: number, { pktinfo: { level, receive } }: SocketFamily): void {
  const set = (level: number, name: number, value: number) => {
    const option = new NativeMemory(4)
    option.view.setInt32(0, value, true)
    return libc.setsockopt(fd, level, name, option.address, 4) === 0
  }
  // Beyond the system's limit only with CAP_NET_ADMIN.
  if (!set(SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)) set(SOL_SOCKET, SO_RCVBUF, BUFFER_BYTES)
  if (!set(SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES)) set(SOL_SOCKET, SO_SNDBUF, BUFFER_BYTES)
  const isIpv6 = level === IPV6.pktinfo.level
  const wanted = [
    [receive, 1],
    [isIpv6 ? MTU_DISCOVER.ipv6 : MTU_DISCOVER.ipv4, PMTUDISC_DONT],
    ...(isIpv6 ? [[IPV6_V6ONLY, 1] as const] : []),
  ] as const
  for (const [name, value] of wanted)
    if (!set(level, name, value))
      throw new BurrowError('NETWORK_SETUP', `option ${name} of a UDP socket: ${errnoName(errno())}`)
}

/** Returns the port that was taken. */
function bind(
  fd: number,
  { family, sockaddr }: SocketFamily,
  { number, words }: OuterAddress,
  listen: SocketAddress,
): number {
  const name = new NativeMemory(sockaddr.bytes)
  name.view.setUint16(0, family, true)
  name.view.setUint16(sockaddr.port, listen.port)
  for (const [word, value] of (words ?? [number]).entries())
    name.view.setInt32(sockaddr.address + 4 * word, value)
  if (libc.bind(fd, name.address, sockaddr.bytes) !== 0) throw bindError(errno(), listen)
  const length = new NativeMemory(4)
  length.view.setUint32(0, sockaddr.bytes, true)
  libc.getsockname(fd, name.address, length.address)
  return name.view.getUint16(sockaddr.port)
}

/** Of a socket that cannot be bound. */
export function bindError(code: number, { address, port }: SocketAddress): BurrowError {
  if (code === ERRNO.EADDRNOTAVAIL)
    return new BurrowError('ADDRESS_NOT_LOCAL', `${address} is no address of this host`)
  if (code === ERRNO.EADDRINUSE) {
    const owner = portOwner(port)
    const who = owner === undefined ? 'another program' : owner
    return new BurrowError('PORT_IN_USE', `UDP port ${port} of ${address} is in use by ${who}`)
  }
  if (code === ERRNO.EACCES || code === ERRNO.EPERM)
    return new BurrowError('NO_ROOT', `this process may not listen on UDP port ${port}`)
  return new BurrowError(
    'NETWORK_SETUP',
    `cannot listen on ${socketText({ address, port })}: ${errnoName(code)}`,
  )
}
