import type { Random } from '../../ports.ts'

/** Web Crypto fills at most this much in one call. */
const POOL_BYTES = 4096

/** Unpredictable bytes of the operating system, drawn through a pool: a call per id would cost a system call each. */
export function createNodeRandom(): Random {
  const pool = new Uint8Array(POOL_BYTES)
  let used = POOL_BYTES

  function bytes(count: number): Uint8Array {
    const out = new Uint8Array(count)
    for (let at = 0; at < count; ) {
      if (used === POOL_BYTES) {
        crypto.getRandomValues(pool)
        used = 0
      }
      const part = pool.subarray(used, used + count - at)
      out.set(part, at)
      pool.fill(0, used, used + part.length)
      used += part.length
      at += part.length
    }
    return out
  }

  const view = (count: number) => new DataView(bytes(count).buffer)
  return { bytes, uint16: () => view(2).getUint16(0), uint32: () => view(4).getUint32(0) }
}
