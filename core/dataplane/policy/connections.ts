/**
 * What is known of conversations: by whom each began, and that it was permitted, so that its answers are, or that it was denied, so that
 * it need not be asked about again. A table of fixed size in one typed array; nothing is allocated per packet.
 *
 * An entry has one of four places, which its key leads to. What is known of a live conversation never makes way for another session's: what
 * finds no place goes untracked, and is decided on packet by packet.
 */

export const STATE = {
  /** Nothing passes from its initiator. */
  denied: 1,
  /** Permitted, and not answered yet. */
  fresh: 2,
  /** Answered. */
  open: 3,
  /** TCP that ends, or was reset. */
  closing: 4,
} as const

const PLACES = 4
const WORD_BYTES = 4
const SEED = 0x9e3779b1
/** Behind the key: the rule set that decided, [slot, initiator, action, state], and when it was last seen, in seconds. */
const AFTER_KEY = 3
/** No set of rules has this number. */
const NO_SET = 0
const SLOT_SHIFT = 8
const INITIATOR_BIT = 0x80
const ACTION_SHIFT = 4
const ACTION_MASK = 0x03
const STATE_MASK = 0x07
/** How much of the table is looked through each second for what is over. */
const SWEPT_SHARE = 32

/** Seconds that a conversation may be silent: RFC 5382 5, RFC 4787 4.3, RFC 5508 3.2. */
export type Timeouts = Readonly<Record<(typeof STATE)[keyof typeof STATE], number>>

export interface ConnectionsSizes {
  /** Words of a key; the first is the owner's. */
  readonly keyWords: number
  /** Entries; rounded up to a power of two. */
  readonly size: number
  readonly maxFlows: number
}

export interface ConnectionsOptions extends ConnectionsSizes {
  /** Of an owner: more go untracked. */
  readonly mostOfOne: number
  /** Of the entry whose last word of the key is this. */
  readonly timeouts: (lastWord: number) => Timeouts
}

export class Connections {
  /** What `find` and `claim` go by; the caller writes it. The first word is 0 for nobody's. */
  readonly key: Int32Array
  readonly #table: Int32Array
  readonly #stride: number
  readonly #mask: number
  readonly #keyWords: number
  readonly #options: ConnectionsOptions
  /** By flow. */
  readonly #owners: Int32Array
  readonly #counts: Uint32Array
  readonly #flowBits: number
  #nowS = 0
  #sweptTo = 0

  /** `memory`: of `bytesFor`, and what is known is what is there. */
  constructor(options: ConnectionsOptions, memory: SharedArrayBuffer) {
    const { keyWords, maxFlows } = options
    const { stride, entries } = layoutOf(options)
    this.#options = options
    this.#keyWords = keyWords
    this.key = new Int32Array(keyWords)
    this.#stride = stride
    this.#mask = entries / PLACES - 1
    this.#table = new Int32Array(memory, 0, entries * stride)
    this.#owners = new Int32Array(memory, this.#table.byteLength, maxFlows)
    this.#counts = new Uint32Array(memory, this.#table.byteLength + this.#owners.byteLength, maxFlows)
    this.#flowBits = 32 - Math.clz32(Math.max(1, maxFlows - 1))
  }

  static bytesFor(sizes: ConnectionsSizes): number {
    const { stride, entries } = layoutOf(sizes)
    return WORD_BYTES * (entries * stride + 2 * sizes.maxFlows)
  }

  /** Live entries of a flow; what is over may still count for half a minute. */
  count(flow: number): number {
    return this.#counts[flow] ?? 0
  }

  /** The owner of a flow's entries: never 0. */
  owner(flow: number): number {
    return this.#owners[flow] ?? 0
  }

  /** The flow is another one from now on: nothing of what is known is its. */
  begin(flow: number): void {
    const before = this.#owners[flow] ?? 0
    const next = (((before >>> this.#flowBits) + 1) << this.#flowBits) | flow
    this.#owners[flow] = next >>> this.#flowBits === 0 ? (1 << this.#flowBits) | flow : next
    this.#counts[flow] = 0
  }

  /** Time passes only here; frees a part of what is over. */
  tick(nowS: number): void {
    const passed = Math.min(nowS - this.#nowS, SWEPT_SHARE)
    this.#nowS = nowS
    if (passed <= 0) return
    const { length } = this.#table
    const share = this.#stride * Math.ceil(length / this.#stride / SWEPT_SHARE) * passed
    for (let swept = 0; swept < share; swept += this.#stride) {
      if (this.#isOver(this.#sweptTo)) this.free(this.#sweptTo)
      this.#sweptTo += this.#stride
      if (this.#sweptTo >= length) this.#sweptTo = 0
    }
  }

  /** The live entry of the key, or -1. */
  find(): number {
    const end = this.#bucket() + PLACES * this.#stride
    for (let at = end - PLACES * this.#stride; at < end; at += this.#stride)
      if (this.#hasKey(at) && !this.#isOver(at)) return at
    return -1
  }

  /** A place for the key, whose words are written there; -1 where none is to be had. What it held is forgotten. */
  claim(flow: number, state: number): number {
    const at = this.#place(this.#bucket(), flow, state)
    if (at < 0) return -1
    this.free(at)
    // Whoever goes on after an end in the midst of this is to ask the rules.
    this.#table[at + this.#keyWords] = NO_SET
    this.#table.set(this.key, at)
    this.#counts[flow] = (this.#counts[flow] ?? 0) + 1
    return at
  }

  free(at: number): void {
    const owner = this.#word(at)
    if (owner === 0) return
    const flow = owner & ((1 << this.#flowBits) - 1)
    if (this.#owners[flow] === owner) this.#counts[flow] = Math.max(0, (this.#counts[flow] ?? 0) - 1)
    this.#table[at] = 0
  }

  write(at: number, set: number, slot: number, initiator: number, action: number, state: number): void {
    const behind = at + this.#keyWords
    this.#table[behind] = set
    this.#table[behind + 1] =
      (slot << SLOT_SHIFT) | (initiator === 0 ? 0 : INITIATOR_BIT) | (action << ACTION_SHIFT) | state
    this.#table[behind + 2] = this.#nowS
  }

  /** It was seen, in this state. */
  touch(at: number, state: number): void {
    const behind = at + this.#keyWords
    this.#table[behind + 1] = (this.#word(behind + 1) & ~STATE_MASK) | state
    this.#table[behind + 2] = this.#nowS
  }

  /** No set of rules decided on anything that is known. */
  doubt(): void {
    for (let at = this.#keyWords; at < this.#table.length; at += this.#stride) this.#table[at] = NO_SET
  }

  set(at: number): number {
    return this.#word(at + this.#keyWords)
  }

  slot(at: number): number {
    return this.#word(at + this.#keyWords + 1) >>> SLOT_SHIFT
  }

  /** The direction of its first packet: 0 or 1. */
  initiator(at: number): number {
    return (this.#word(at + this.#keyWords + 1) & INITIATOR_BIT) === 0 ? 0 : 1
  }

  action(at: number): number {
    return (this.#word(at + this.#keyWords + 1) >> ACTION_SHIFT) & ACTION_MASK
  }

  state(at: number): number {
    return this.#word(at + this.#keyWords + 1) & STATE_MASK
  }

  /**
   * What may make way: nobody's and what is over; what was denied; and for what is permitted also an unanswered conversation,
   * the session's own before another's, the oldest first. A session that has its share takes only from itself.
   */
  #place(bucket: number, flow: number, state: number): number {
    const owner = this.owner(flow)
    const hasShare = this.count(flow) >= this.#options.mostOfOne
    let best = -1
    let bestRank = 0
    let bestSeen = 0
    for (let i = 0; i < PLACES; i++) {
      const at = bucket + i * this.#stride
      const isOwn = this.#word(at) === owner
      if (hasShare && !isOwn) continue
      const rank = this.#rank(at, isOwn, state)
      const seen = this.#word(at + this.#keyWords + 2)
      if (rank < bestRank || rank === 0 || (rank === bestRank && seen >= bestSeen)) continue
      best = at
      bestRank = rank
      bestSeen = seen
    }
    return best
  }

  /** How readily an entry makes way; 0: never. */
  #rank(at: number, isOwn: boolean, state: number): number {
    // First, or the key would have two entries.
    if (this.#hasKey(at)) return 5
    if (this.#isOver(at)) return 4
    const standing = this.state(at)
    if (standing === STATE.denied) return 3
    if (standing !== STATE.fresh || state === STATE.denied) return 0
    return isOwn ? 2 : 1
  }

  #isOver(at: number): boolean {
    const owner = this.#word(at)
    if (owner === 0) return true
    if (this.#owners[owner & ((1 << this.#flowBits) - 1)] !== owner) return true
    const behind = at + this.#keyWords
    const timeouts = this.#options.timeouts(this.#word(behind - 1))
    const limitS = timeouts[(this.#word(behind + 1) & STATE_MASK) as keyof Timeouts]
    return this.#nowS - this.#word(behind + 2) > limitS
  }

  #hasKey(at: number): boolean {
    for (let word = 0; word < this.#keyWords; word++)
      if (this.#word(at + word) !== this.key[word]) return false
    return true
  }

  #bucket(): number {
    let hash = SEED
    for (let word = 0; word < this.#keyWords; word++) {
      hash = Math.imul(hash ^ (this.key[word] ?? 0), 0x85ebca6b)
      hash ^= hash >>> 15
    }
    hash = Math.imul(hash, 0xc2b2ae35)
    return ((hash ^ (hash >>> 16)) & this.#mask) * PLACES * this.#stride
  }

  /** `at` is always within. */
  #word(at: number): number {
    return this.#table[at] ?? 0
  }
}

function layoutOf({ keyWords, size }: ConnectionsSizes) {
  return { stride: powerOfTwo(keyWords + AFTER_KEY), entries: powerOfTwo(Math.max(size, PLACES)) }
}

function powerOfTwo(least: number): number {
  return 2 ** Math.ceil(Math.log2(least))
}
