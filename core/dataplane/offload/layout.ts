/** How the memory of a batch is used by ports with offloads: room for super-packets, and behind it room for headers of what they are cut into. */
import { HEADROOM_BYTES, PacketBatch } from '../ports.ts'
import { vectorMemory } from './batch-memory.ts'

export const SUPER_SLOTS = 64
/** The longest packet with what stands before it. No power of two: small packets would all lie in the same few lines of the cache. */
export const SUPER_SLOT_BYTES = 66_240
export const HEADERS_AT = SUPER_SLOTS * SUPER_SLOT_BYTES
export const HEADERS_END = HEADERS_AT + (256 << 10)
/** As many as 64 super-datagrams may hold: the kernel puts no more than 64 into one. */
export const MOST_PACKETS = 64 * SUPER_SLOTS

export function superBatch(slotBytes: number): PacketBatch {
  return new PacketBatch(slotBytes, MOST_PACKETS, vectorMemory(HEADERS_END))
}

/** Where super-packet `i` begins. */
export const superSlotAt = (i: number): number => i * SUPER_SLOT_BYTES + HEADROOM_BYTES
