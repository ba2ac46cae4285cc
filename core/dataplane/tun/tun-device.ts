/** A Linux TUN device (Documentation/networking/tuntap.rst): whole IP packets, no link header. */
import { BurrowError } from '../../errors.ts'
import { BATCH_PACKETS, HEADROOM_BYTES, type PacketBatch, type TunPort } from '../ports.ts'
import { batchAddress, ERRNO, errno, errnoName, libc, NativeMemory } from './libc.ts'

const DEVICE = '/dev/net/tun'
const O_RDWR = 2
const O_NONBLOCK = 0x800
const O_CLOEXEC = 0x80000
const TUNSETIFF = 0x400454ca
const IFF_TUN = 0x0001
const IFF_NO_PI = 0x1000
/** struct ifreq. */
const IFF_VNET_HDR = 0x4000
const TUNSETOFFLOAD = 0x400454d0
/** Checksums, super-packets of TCP over IPv4 and IPv6, and of UDP over both. */
export const OFFLOADS = { tcp: 0x07, tcpAndUdp: 0x67, none: 0 } as const
const IFREQ = { bytes: 40, flags: 16 } as const
const LONGEST_NAME = 15
/** The descriptor has no device any more; Node does not know the name. */
const EBADFD = 77

export class TunDevice implements TunPort {
  readonly fd: number

  /** Takes over an open device. */
  constructor(fd: number) {
    this.fd = fd
  }

  /** Makes the device; it goes away when it is closed. Throws NO_TUN, NO_ROOT, TUN_IN_USE or NETWORK_SETUP. */
  static open(name: string): TunDevice {
    return new TunDevice(openTun(name, 0))
  }

  /** Throws when the device is gone. */
  receive(batch: PacketBatch): boolean {
    const base = batchAddress(batch)
    const room = batch.slotBytes - HEADROOM_BYTES
    batch.count = 0
    for (let i = 0; i < BATCH_PACKETS; i++) {
      const at = i * batch.slotBytes + HEADROOM_BYTES
      const length = libc.read(this.fd, base + at, room)
      if (length < 0) {
        if (errno() === ERRNO.EAGAIN) return false
        throw readError(errno())
      }
      batch.at[i] = at
      batch.length[i] = length
      batch.count++
    }
    return true
  }

  send(batch: PacketBatch, from: number, to: number): void {
    const base = batchAddress(batch)
    for (let i = from; i < to; i++) {
      const length = batch.length[i] ?? 0
      if (libc.write(this.fd, base + (batch.at[i] ?? 0), length) !== length) batch.length[i] = 0
    }
  }

  close(): void {
    libc.close(this.fd)
  }
}

/** The descriptor of a new device; throws as `TunDevice.open` does. */
function openTun(name: string, flags: number): number {
  if (!/^[^\s/%:]+$/.test(name) || name.length > LONGEST_NAME)
    throw new BurrowError('NETWORK_SETUP', `${JSON.stringify(name)} is no name for a network device`)
  const fd = libc.open(DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC)
  if (fd < 0) throw openError(errno())
  const request = new NativeMemory(IFREQ.bytes)
  request.bytes.set(Buffer.from(name, 'latin1'))
  request.view.setUint16(IFREQ.flags, IFF_TUN | IFF_NO_PI | flags, true)
  if (libc.ioctl(fd, TUNSETIFF, request.address) === 0) return fd
  const error = attachError(errno(), name)
  libc.close(fd)
  throw error
}

/** One whose packets have a vnet header, and which takes and gives super-packets as `offloads` says; undefined where the kernel has no such. */
export function openOffloadTun(name: string, offloads: number): number | undefined {
  const fd = openTun(name, IFF_VNET_HDR)
  if (libc.ioctl(fd, TUNSETOFFLOAD, offloads) === 0) return fd
  libc.close(fd)
  return undefined
}

/** Why a device cannot be read. */
export function readError(code: number): BurrowError {
  if (code === EBADFD) return new BurrowError('TUN_GONE', 'the TUN device was deleted')
  return new BurrowError('NETWORK_SETUP', `the TUN device cannot be read: ${errnoName(code)}`)
}

function openError(code: number): BurrowError {
  if (code === ERRNO.EACCES || code === ERRNO.EPERM)
    return new BurrowError('NO_ROOT', `this process may not open ${DEVICE}`, { file: DEVICE })
  return new BurrowError('NO_TUN', `${DEVICE} cannot be opened: ${errnoName(code)}`, { file: DEVICE })
}

function attachError(code: number, name: string): BurrowError {
  if (code === ERRNO.EPERM)
    return new BurrowError('NO_ROOT', `this process may not make the TUN device ${name}`)
  if (code === ERRNO.EBUSY) return new BurrowError('TUN_IN_USE', `another program has the TUN device ${name}`)
  return new BurrowError('NETWORK_SETUP', `no TUN device ${name}: ${errnoName(code)}`)
}
