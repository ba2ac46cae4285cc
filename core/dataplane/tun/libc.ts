/** The system calls that the data plane makes, and memory that they can see. Layouts are those of 64-bit Linux (LP64). */
import { constants } from 'node:os'
import { getSystemErrorName } from 'node:util'
import koffi from 'koffi'
import type { PacketBatch } from '../ports.ts'

const program = koffi.load(null)
/** Also for a stage that has a thread wait for it. */
export const poll = program.func('int poll(uintptr_t address, unsigned long count, int timeoutMs)')

/** -1 is a failure, told by `errno`. An address is a plain number: user space ends below 2^53. */
export const libc: {
  open(path: string, flags: number): number
  close(fd: number): number
  read(fd: number, address: number, bytes: number): number
  write(fd: number, address: number, bytes: number): number
  writev(fd: number, address: number, count: number): number
  ioctl(fd: number, request: number, address: number): number
  eventfd(value: number, flags: number): number
  poll(address: number, count: number, timeoutMs: number): number
  socket(domain: number, type: number, protocol: number): number
  bind(fd: number, address: number, bytes: number): number
  getsockname(fd: number, address: number, bytesAddress: number): number
  setsockopt(fd: number, level: number, name: number, address: number, bytes: number): number
  recvmmsg(fd: number, address: number, count: number, flags: number, timeout: number): number
  sendmmsg(fd: number, address: number, count: number, flags: number): number
} = {
  open: program.func('int open(const char *path, int flags)'),
  close: program.func('int close(int fd)'),
  read: program.func('int64_t read(int fd, uintptr_t address, size_t bytes)'),
  write: program.func('int64_t write(int fd, uintptr_t address, size_t bytes)'),
  writev: program.func('int64_t writev(int fd, uintptr_t address, int count)'),
  ioctl: program.func('int ioctl(int fd, unsigned long request, uintptr_t address)'),
  eventfd: program.func('int eventfd(unsigned int value, int flags)'),
  poll,
  socket: program.func('int socket(int domain, int type, int protocol)'),
  bind: program.func('int bind(int fd, uintptr_t address, uint32_t bytes)'),
  getsockname: program.func('int getsockname(int fd, uintptr_t address, uintptr_t bytesAddress)'),
  setsockopt: program.func('int setsockopt(int fd, int level, int name, uintptr_t address, uint32_t bytes)'),
  recvmmsg: program.func(
    'int recvmmsg(int fd, uintptr_t address, unsigned int count, int flags, uintptr_t timeout)',
  ),
  sendmmsg: program.func('int sendmmsg(int fd, uintptr_t address, unsigned int count, int flags)'),
}

const memcpy: (to: Uint8Array, from: Uint8Array, bytes: number) => number = program.func(
  'uintptr_t memcpy(void *to, void *from, size_t bytes)',
)

export const ERRNO = constants.errno

export function errno(): number {
  return koffi.errno()
}

/** What ports call again and again; tests have others. */
export interface PortCalls extends Pick<typeof libc, 'read' | 'writev' | 'recvmmsg' | 'sendmmsg' | 'poll'> {
  /** Of the last call that failed. */
  errno(): number
}

export const portCalls: PortCalls = { ...libc, errno }

/** `EADDRINUSE` and the like, for messages. */
export function errnoName(code: number): string {
  return getSystemErrorName(-code)
}

/** Where memory begins that stays where it is, in two parts: an address as one number would be an object of its own for each packet. */
export class Place {
  readonly address: number
  readonly #low: number
  readonly #high: number

  constructor(bytes: Uint8Array) {
    this.address = addressOf(bytes)
    this.#low = this.address | 0
    this.#high = Math.floor(this.address / 2 ** 32)
  }

  /** Writes the address of `offset` to `at`. */
  write(view: DataView, at: number, offset: number): void {
    const low = (this.#low + offset) >>> 0
    view.setUint32(at, low, true)
    view.setUint32(at + 4, low < this.#low >>> 0 ? this.#high + 1 : this.#high, true)
  }
}

/** Zeroed memory that stays where it is. Native byte order is little-endian on every platform that we run on. */
export class NativeMemory {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly place: Place
  readonly address: number

  constructor(size: number) {
    // A small typed array would live on the heap and move; an ArrayBuffer of its own does not.
    const buffer = new ArrayBuffer(size)
    this.bytes = new Uint8Array(buffer)
    this.view = new DataView(buffer)
    this.place = new Place(this.bytes)
    this.address = this.place.address
  }

  /** Writes the address of what is `offset` behind `place` to `at`. */
  setPointer(at: number, place: Place, offset: number): void {
    place.write(this.view, at, offset)
  }
}

const batchPlaces = new WeakMap<PacketBatch, Place>()

/** Where a batch's bytes begin. */
export function batchPlace(batch: PacketBatch): Place {
  let place = batchPlaces.get(batch)
  if (place === undefined) {
    place = new Place(batch.bytes)
    batchPlaces.set(batch, place)
  }
  return place
}

export function batchAddress(batch: PacketBatch): number {
  return batchPlace(batch).address
}

function addressOf(bytes: Uint8Array): number {
  return memcpy(bytes, bytes, 0)
}
