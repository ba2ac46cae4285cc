/** Arithmetic of Ns and Nr, modulo 65536 (RFC 2661 5.8). */

export function add16(value: number, step: number): number {
  return (value + step) & 0xffff
}

/** How far `to` is ahead of `from`, 0..65535. */
export function ahead16(from: number, to: number): number {
  return (to - from) & 0xffff
}

/** Is `value` one of the 32768 numbers just before `reference`: already seen. */
export function isBefore16(value: number, reference: number): boolean {
  return ahead16(value, reference) > 0 && ahead16(value, reference) <= 0x8000
}
