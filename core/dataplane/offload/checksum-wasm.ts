/**
 * The one function of a WebAssembly module, assembled here: the sum of 16-bit words in its memory, 64 octets in a step. In words of its text format:
 *
 *   sum(at, length): while length >= 64, add the eight words of each of four vectors to four pairs of 32-bit lanes, by
 *   i32x4.extadd_pairwise_i16x8_u; then the same of 16 octets; add the lanes; then word by word, and the last octet; fold twice.
 *
 * Lanes hold what 512 KiB can add up to; no packet is as long.
 */

/** The part of the WebAssembly interface that is used. */
interface Engine {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Memory: new (size: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer }
  readonly Instance: new (module: object, imports: object) => { readonly exports: Record<string, unknown> }
  validate(bytes: Uint8Array): boolean
}

export interface NativeSum {
  readonly buffer: ArrayBuffer
  /** Of words whose lower octet comes first, folded to 16 bits. */
  sum(at: number, length: number): number
}

/** A memory of so many pages of 64 KiB with the function in it; undefined where the engine has no WebAssembly, or no vectors. */
export function sumInto(pages: number): NativeSum | undefined {
  const engine: Engine | undefined = Reflect.get(globalThis, 'WebAssembly')
  if (engine?.validate(MODULE) !== true) return undefined
  const memory = new engine.Memory({ initial: pages, maximum: pages })
  const { sum } = new engine.Instance(new engine.Module(MODULE), { m: { m: memory } }).exports
  return { buffer: memory.buffer, sum: sum as NativeSum['sum'] }
}

// Opcodes of the binary format.
const I32 = 0x7f
const V128 = 0x7b
const block = (...code: number[][]) => [0x02, 0x40, ...code.flat(), 0x0b]
const loop = (...code: number[][]) => [0x03, 0x40, ...code.flat(), 0x0b]
const branch = (depth: number) => [0x0c, depth]
const branchIf = (depth: number) => [0x0d, depth]
const get = (local: number) => [0x20, local]
const set = (local: number) => [0x21, local]
const constant = (value: number) => [0x41, ...signed(value)]
const ADD = [0x6a]
const AND = [0x71]
const LESS = [0x49]
const SHIFT_RIGHT = [0x76]
const SUBTRACT = [0x6b]
const byteAt = [0x2d, 0, 0]
const wordAt = [0x2f, 0, 0]
const vectorAt = (offset: number) => [0xfd, 0x00, 0, offset]
const ZERO_VECTOR = [0xfd, 0x0c, ...new Array<number>(16).fill(0)]
const WIDEN_PAIRS = [0xfd, 0x7f]
const ADD_LANES = [0xfd, 0xae, 0x01]
const lane = (index: number) => [0xfd, 0x1b, index]

// Locals: the parameters first.
const AT = 0
const LENGTH = 1
const SUM = 2
const LANES = 3
const OTHER_LANES = 4

const STEP_BYTES = 64
const VECTOR_BYTES = 16

const addVector = (offset: number, lanes: number) =>
  [get(lanes), get(AT), vectorAt(offset), WIDEN_PAIRS, ADD_LANES, set(lanes)].flat()
const advance = (octets: number) =>
  [get(AT), constant(octets), ADD, set(AT), get(LENGTH), constant(octets), SUBTRACT, set(LENGTH)].flat()
/** While there are so many octets. */
const each = (octets: number, ...code: number[][]) =>
  block(loop(get(LENGTH), constant(octets), LESS, branchIf(1), code.flat(), advance(octets), branch(0)))
const addLane = (index: number) => [get(SUM), get(LANES), lane(index), ADD, set(SUM)].flat()
const fold = [get(SUM), constant(0xffff), AND, get(SUM), constant(16), SHIFT_RIGHT, ADD, set(SUM)].flat()

const BODY = [
  [ZERO_VECTOR, set(LANES), ZERO_VECTOR, set(OTHER_LANES)].flat(),
  each(
    STEP_BYTES,
    addVector(0, LANES),
    addVector(16, OTHER_LANES),
    addVector(32, LANES),
    addVector(48, OTHER_LANES),
  ),
  each(VECTOR_BYTES, addVector(0, LANES)),
  [get(LANES), get(OTHER_LANES), ADD_LANES, set(LANES)].flat(),
  // Two lanes may overflow together, so each is folded in by itself.
  ...[0, 1, 2, 3].map(index => [...addLane(index), ...fold]),
  each(2, [get(SUM), get(AT), wordAt, ADD, set(SUM)].flat()),
  each(1, [get(SUM), get(AT), byteAt, ADD, set(SUM)].flat()),
  [...fold, ...fold, ...get(SUM)],
].flat()

const MODULE = Uint8Array.from([
  ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...section(1, [1, 0x60, 2, I32, I32, 1, I32]),
  // m.m: a memory of at least one page.
  ...section(2, [1, 1, 0x6d, 1, 0x6d, 2, 0, 1]),
  ...section(3, [1, 0]),
  // sum: function 0.
  ...section(7, [1, 3, 0x73, 0x75, 0x6d, 0, 0]),
  ...section(10, [1, ...sized([2, 1, I32, 2, V128, ...BODY, 0x0b])]),
])

function section(id: number, content: readonly number[]): readonly number[] {
  return [id, ...sized(content)]
}

function sized(content: readonly number[]): readonly number[] {
  return [...unsigned(content.length), ...content]
}

/** LEB128. */
function unsigned(value: number): readonly number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)]
}

function signed(value: number): readonly number[] {
  return value < 0x40 ? [value] : [(value & 0x7f) | 0x80, ...signed(value >> 7)]
}
