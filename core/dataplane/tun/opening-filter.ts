/** A classic BPF program (networking/filter.rst) for a UDP socket: of control messages of no tunnel yet, it keeps a share by chance. */
import { NativeMemory } from './libc.ts'

const CODE = {
  loadHalf: 0x28,
  loadWord: 0x20,
  jumpIfSet: 0x45,
  jumpIfEqual: 0x15,
  jumpIfGreater: 0x25,
  give: 0x06,
} as const
/** The packet begins with its UDP header. */
const UDP_BYTES = 8
const CONTROL_BIT = 0x8000
const TUNNEL_ID_AT = 4
/** SKF_AD_OFF + SKF_AD_RANDOM. */
const RANDOM = 0xfffff000 + 56
const WHOLE = 0xffff_ffff
const NOTHING = 0
const INSTRUCTION_BYTES = 8
const PROGRAM_BYTES = 16

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, value: number]

/** struct sock_fprog, and its instructions behind it. `keep`: a share between 0 and 1. */
export function openingFilter(keep: number): NativeMemory {
  const threshold = Math.min(WHOLE, Math.max(0, Math.floor(keep * WHOLE)))
  const instructions: readonly Instruction[] = [
    [CODE.loadHalf, 0, 0, UDP_BYTES],
    [CODE.jumpIfSet, 0, 4, CONTROL_BIT],
    [CODE.loadHalf, 0, 0, UDP_BYTES + TUNNEL_ID_AT],
    [CODE.jumpIfEqual, 0, 2, 0],
    [CODE.loadWord, 0, 0, RANDOM],
    [CODE.jumpIfGreater, 1, 0, threshold],
    [CODE.give, 0, 0, WHOLE],
    [CODE.give, 0, 0, NOTHING],
  ]
  const memory = new NativeMemory(PROGRAM_BYTES + instructions.length * INSTRUCTION_BYTES)
  memory.view.setUint16(0, instructions.length, true)
  memory.setPointer(8, memory.place, PROGRAM_BYTES)
  for (const [index, [code, ifTrue, ifFalse, value]] of instructions.entries()) {
    const at = PROGRAM_BYTES + index * INSTRUCTION_BYTES
    memory.view.setUint16(at, code, true)
    memory.view.setUint8(at + 2, ifTrue)
    memory.view.setUint8(at + 3, ifFalse)
    memory.view.setUint32(at + 4, value, true)
  }
  return memory
}
