/**
 * Sockets that take nothing in: a filter refuses each datagram once its checksum was verified, and the kernel counts it in
 * InErrors, each segment of a super-packet by itself. So counting costs no process anything.
 */
import { errno, errnoName, libc, NativeMemory } from '../../../core/dataplane/tun/libc.ts'

/** struct sock_filter: code, jump if true, jump if false, operand. */
type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, k: number]

const ACCEPT = 0xffff_ffff
const [LOAD_BYTE, LOAD_HALF_X, LOAD_X] = [0x30, 0x48, 0x01]
const [JUMP, IF_EQUAL, IF_AT_LEAST, IF_SET, RETURN] = [0x05, 0x15, 0x35, 0x45, 0x06]

export const REFUSE_ALL: readonly Instruction[] = [[RETURN, 0, 0, 0]]

/** Of L2TP: control messages, and PPP frames that are of no network protocol. A datagram begins with its UDP header, of 8 octets. */
export const REFUSE_IP: readonly Instruction[] = [
  [LOAD_BYTE, 0, 0, 8],
  [IF_SET, 8, 0, 0x80],
  [IF_SET, 0, 2, 0x40],
  [LOAD_X, 0, 0, 8 + 8],
  [JUMP, 0, 0, 1],
  [LOAD_X, 0, 0, 8 + 6],
  [LOAD_HALF_X, 0, 0, 0],
  [IF_EQUAL, 0, 1, 0xff03],
  [LOAD_HALF_X, 0, 0, 2],
  [IF_AT_LEAST, 0, 1, 0x8000],
  [RETURN, 0, 0, ACCEPT],
  [RETURN, 0, 0, 0],
]

const SOL_SOCKET = 1
const SO_ATTACH_FILTER = 26

export function attachFilter(fd: number, program: readonly Instruction[]): void {
  const code = new NativeMemory(8 * program.length)
  for (const [i, [operation, ifTrue, ifFalse, k]] of program.entries()) {
    code.view.setUint16(8 * i, operation, true)
    code.view.setUint8(8 * i + 2, ifTrue)
    code.view.setUint8(8 * i + 3, ifFalse)
    code.view.setUint32(8 * i + 4, k, true)
  }
  const head = new NativeMemory(16)
  head.view.setUint16(0, program.length, true)
  head.setPointer(8, code.place, 0)
  if (libc.setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, head.address, 16) !== 0)
    throw new Error(`SO_ATTACH_FILTER: ${errnoName(errno())}`)
}
