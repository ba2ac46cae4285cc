/** An IPv4 UDP socket in batches. IPv6 will be a second class beside it, with its own addresses and vector. */
import { BurrowError } from '../../errors.ts'
import type { Path, SocketAddress } from '../../ports.ts'
import { formatIpv4, parseIpv4 } from '../../wire/ip.ts'
import { LONGEST_DATAGRAM_BYTES } from '../../wire/l2tp-header.ts'
import { BATCH_PACKETS, type DatagramPort, HEADROOM_BYTES, type PacketBatch } from '../ports.ts'
import { batchAddress, ERRNO, errno, errnoName, libc, NativeMemory } from './libc.ts'
import { AF_INET, IP_PKTINFO, IPPROTO_IP, MessageVector, SOCKADDR } from './message-vector.ts'
import { portOwner } from './port-owner.ts'

const SOCK_DGRAM = 2
const SOCK_NONBLOCK = 0x800
const SOCK_CLOEXEC = 0x80000
const SOL_SOCKET = 1
const SO_SNDBUF = 7
const SO_RCVBUF = 8
const SO_SNDBUFFORCE = 32
const SO_RCVBUFFORCE = 33
const IP_MTU_DISCOVER = 10
/** Never set DF: the tunnel must pass paths whose ICMP is filtered. */
const IP_PMTUDISC_DONT = 0
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
  readonly #in = new MessageVector()
  readonly #out = new MessageVector()
  readonly #single = new NativeMemory(LONGEST_DATAGRAM_BYTES)
  readonly #poll = new NativeMemory(POLLFD_BYTES)

  /** Takes over an open socket: a file descriptor may be shared by threads, the object not. */
  constructor(fd: number, bound: SocketAddress) {
    this.fd = fd
    this.bound = bound
  }

  /** Throws PORT_IN_USE or ADDRESS_NOT_LOCAL. */
  static open(listen: SocketAddress): UdpSocket {
    const address = parseIpv4(listen.address)
    if (address === undefined)
      throw new BurrowError(
        'ADDRESS_NOT_LOCAL',
        `${listen.address} is no IPv4 address; IPv6 is not carried yet`,
      )
    const fd = libc.socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    if (fd < 0) throw new BurrowError('NETWORK_SETUP', `no UDP socket: ${errnoName(errno())}`)
    try {
      setUp(fd)
      return new UdpSocket(fd, { address: listen.address, port: bind(fd, address, listen) })
    } catch (error) {
      libc.close(fd)
      throw error
    }
  }

  receive(batch: PacketBatch): boolean {
    const vector = this.#in
    const base = batchAddress(batch)
    for (let i = 0; i < BATCH_PACKETS; i++) {
      vector.prepareReceive(i)
      vector.setBuffer(i, base + slotAt(batch, i), batch.slotBytes - HEADROOM_BYTES)
    }
    const received = libc.recvmmsg(this.fd, vector.address(0), BATCH_PACKETS, MSG_DONTWAIT, 0)
    batch.count = 0
    batch.oversized = 0
    for (let i = 0; i < received; i++) {
      if (vector.isTruncated(i)) batch.oversized++
      else this.#take(batch, i)
    }
    return received === BATCH_PACKETS
  }

  send(batch: PacketBatch, from: number, to: number): void {
    const vector = this.#out
    const base = batchAddress(batch)
    const count = to - from
    for (let i = 0; i < count; i++) {
      const packet = from + i
      vector.setBuffer(i, base + (batch.at[packet] ?? 0), batch.length[packet] ?? 0)
      vector.prepareSend(
        i,
        batch.localAddress[packet] ?? 0,
        batch.remoteAddress[packet] ?? 0,
        batch.remotePort[packet] ?? 0,
      )
    }
    let done = 0
    while (done < count) {
      const sent = libc.sendmmsg(this.fd, vector.address(done), count - done, MSG_DONTWAIT)
      if (sent > 0) done += sent
      // Whatever else is wrong is wrong with the first message of the call.
      else if (errno() !== ERRNO.EAGAIN || !this.#roomInTime()) batch.length[from + done++] = 0
    }
  }

  sendOne({ local, remote }: Path, bytes: Uint8Array): boolean {
    const localAddress = parseIpv4(local.address)
    const remoteAddress = parseIpv4(remote.address)
    if (localAddress === undefined || remoteAddress === undefined || bytes.length > LONGEST_DATAGRAM_BYTES)
      return false
    this.#single.bytes.set(bytes)
    this.#out.setBuffer(0, this.#single.address, bytes.length)
    this.#out.prepareSend(0, localAddress, remoteAddress, remote.port)
    return libc.sendmmsg(this.fd, this.#out.address(0), 1, MSG_DONTWAIT) === 1
  }

  close(): void {
    libc.close(this.fd)
  }

  #take(batch: PacketBatch, i: number): void {
    const vector = this.#in
    const index = batch.count++
    batch.at[index] = slotAt(batch, i)
    batch.length[index] = vector.length(i)
    batch.localAddress[index] = vector.localAddress(i)
    batch.localPort[index] = this.bound.port
    batch.remoteAddress[index] = vector.remoteAddress(i)
    batch.remotePort[index] = vector.remotePort(i)
  }

  #roomInTime(): boolean {
    this.#poll.view.setInt32(0, this.fd, true)
    this.#poll.view.setInt16(4, POLLOUT, true)
    return libc.poll(this.#poll.address, 1, WAIT_FOR_ROOM_MS) === 1
  }
}

function slotAt(batch: PacketBatch, i: number): number {
  return i * batch.slotBytes + HEADROOM_BYTES
}

function setUp(fd: number): void {
  const set = (level: number, name: number, value: number) => {
    const option = new NativeMemory(4)
    option.view.setInt32(0, value, true)
    return libc.setsockopt(fd, level, name, option.address, 4) === 0
  }
  // Beyond the system's limit only with CAP_NET_ADMIN.
  if (!set(SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)) set(SOL_SOCKET, SO_RCVBUF, BUFFER_BYTES)
  if (!set(SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES)) set(SOL_SOCKET, SO_SNDBUF, BUFFER_BYTES)
  if (!set(IPPROTO_IP, IP_PKTINFO, 1) || !set(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT))
    throw new BurrowError('NETWORK_SETUP', `IP_PKTINFO or IP_MTU_DISCOVER: ${errnoName(errno())}`)
}

/** Returns the port that was taken. */
function bind(fd: number, address: number, listen: SocketAddress): number {
  const name = new NativeMemory(SOCKADDR.bytes)
  name.view.setUint16(SOCKADDR.family, AF_INET, true)
  name.view.setUint16(SOCKADDR.port, listen.port)
  name.view.setInt32(SOCKADDR.address, address)
  if (libc.bind(fd, name.address, SOCKADDR.bytes) !== 0) throw bindError(errno(), listen)
  const length = new NativeMemory(4)
  length.view.setUint32(0, SOCKADDR.bytes, true)
  libc.getsockname(fd, name.address, length.address)
  return name.view.getUint16(SOCKADDR.port)
}

function bindError(code: number, { address, port }: SocketAddress): BurrowError {
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
    `cannot listen on ${formatIpv4(parseIpv4(address) ?? 0)}:${port}: ${errnoName(code)}`,
  )
}
