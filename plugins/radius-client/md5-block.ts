/**
 * One block of MD5 (RFC 1321 3.4): its 64 steps written out, each as the RFC has them, a = b + ((a + F(b,c,d) + X[k] + T[i]) <<< s). As a loop
 * over tables it takes four times as long.
 */

/** Takes the block of 16 words at `at` into the state, four words. */
export function takeBlock(state: Int32Array, words: Int32Array, at: number): void {
  let a = state[0] as number
  let b = state[1] as number
  let c = state[2] as number
  let d = state[3] as number
  const x0 = words[at] as number
  const x1 = words[at + 1] as number
  const x2 = words[at + 2] as number
  const x3 = words[at + 3] as number
  const x4 = words[at + 4] as number
  const x5 = words[at + 5] as number
  const x6 = words[at + 6] as number
  const x7 = words[at + 7] as number
  const x8 = words[at + 8] as number
  const x9 = words[at + 9] as number
  const x10 = words[at + 10] as number
  const x11 = words[at + 11] as number
  const x12 = words[at + 12] as number
  const x13 = words[at + 13] as number
  const x14 = words[at + 14] as number
  const x15 = words[at + 15] as number

  // F
  a = (b + turned(a + ((b & c) | (~b & d)) + x0 + 0xd76aa478, 7)) | 0
  d = (a + turned(d + ((a & b) | (~a & c)) + x1 + 0xe8c7b756, 12)) | 0
  c = (d + turned(c + ((d & a) | (~d & b)) + x2 + 0x242070db, 17)) | 0
  b = (c + turned(b + ((c & d) | (~c & a)) + x3 + 0xc1bdceee, 22)) | 0
  a = (b + turned(a + ((b & c) | (~b & d)) + x4 + 0xf57c0faf, 7)) | 0
  d = (a + turned(d + ((a & b) | (~a & c)) + x5 + 0x4787c62a, 12)) | 0
  c = (d + turned(c + ((d & a) | (~d & b)) + x6 + 0xa8304613, 17)) | 0
  b = (c + turned(b + ((c & d) | (~c & a)) + x7 + 0xfd469501, 22)) | 0
  a = (b + turned(a + ((b & c) | (~b & d)) + x8 + 0x698098d8, 7)) | 0
  d = (a + turned(d + ((a & b) | (~a & c)) + x9 + 0x8b44f7af, 12)) | 0
  c = (d + turned(c + ((d & a) | (~d & b)) + x10 + 0xffff5bb1, 17)) | 0
  b = (c + turned(b + ((c & d) | (~c & a)) + x11 + 0x895cd7be, 22)) | 0
  a = (b + turned(a + ((b & c) | (~b & d)) + x12 + 0x6b901122, 7)) | 0
  d = (a + turned(d + ((a & b) | (~a & c)) + x13 + 0xfd987193, 12)) | 0
  c = (d + turned(c + ((d & a) | (~d & b)) + x14 + 0xa679438e, 17)) | 0
  b = (c + turned(b + ((c & d) | (~c & a)) + x15 + 0x49b40821, 22)) | 0

  // G
  a = (b + turned(a + ((b & d) | (c & ~d)) + x1 + 0xf61e2562, 5)) | 0
  d = (a + turned(d + ((a & c) | (b & ~c)) + x6 + 0xc040b340, 9)) | 0
  c = (d + turned(c + ((d & b) | (a & ~b)) + x11 + 0x265e5a51, 14)) | 0
  b = (c + turned(b + ((c & a) | (d & ~a)) + x0 + 0xe9b6c7aa, 20)) | 0
  a = (b + turned(a + ((b & d) | (c & ~d)) + x5 + 0xd62f105d, 5)) | 0
  d = (a + turned(d + ((a & c) | (b & ~c)) + x10 + 0x02441453, 9)) | 0
  c = (d + turned(c + ((d & b) | (a & ~b)) + x15 + 0xd8a1e681, 14)) | 0
  b = (c + turned(b + ((c & a) | (d & ~a)) + x4 + 0xe7d3fbc8, 20)) | 0
  a = (b + turned(a + ((b & d) | (c & ~d)) + x9 + 0x21e1cde6, 5)) | 0
  d = (a + turned(d + ((a & c) | (b & ~c)) + x14 + 0xc33707d6, 9)) | 0
  c = (d + turned(c + ((d & b) | (a & ~b)) + x3 + 0xf4d50d87, 14)) | 0
  b = (c + turned(b + ((c & a) | (d & ~a)) + x8 + 0x455a14ed, 20)) | 0
  a = (b + turned(a + ((b & d) | (c & ~d)) + x13 + 0xa9e3e905, 5)) | 0
  d = (a + turned(d + ((a & c) | (b & ~c)) + x2 + 0xfcefa3f8, 9)) | 0
  c = (d + turned(c + ((d & b) | (a & ~b)) + x7 + 0x676f02d9, 14)) | 0
  b = (c + turned(b + ((c & a) | (d & ~a)) + x12 + 0x8d2a4c8a, 20)) | 0

  // H
  a = (b + turned(a + (b ^ c ^ d) + x5 + 0xfffa3942, 4)) | 0
  d = (a + turned(d + (a ^ b ^ c) + x8 + 0x8771f681, 11)) | 0
  c = (d + turned(c + (d ^ a ^ b) + x11 + 0x6d9d6122, 16)) | 0
  b = (c + turned(b + (c ^ d ^ a) + x14 + 0xfde5380c, 23)) | 0
  a = (b + turned(a + (b ^ c ^ d) + x1 + 0xa4beea44, 4)) | 0
  d = (a + turned(d + (a ^ b ^ c) + x4 + 0x4bdecfa9, 11)) | 0
  c = (d + turned(c + (d ^ a ^ b) + x7 + 0xf6bb4b60, 16)) | 0
  b = (c + turned(b + (c ^ d ^ a) + x10 + 0xbebfbc70, 23)) | 0
  a = (b + turned(a + (b ^ c ^ d) + x13 + 0x289b7ec6, 4)) | 0
  d = (a + turned(d + (a ^ b ^ c) + x0 + 0xeaa127fa, 11)) | 0
  c = (d + turned(c + (d ^ a ^ b) + x3 + 0xd4ef3085, 16)) | 0
  b = (c + turned(b + (c ^ d ^ a) + x6 + 0x04881d05, 23)) | 0
  a = (b + turned(a + (b ^ c ^ d) + x9 + 0xd9d4d039, 4)) | 0
  d = (a + turned(d + (a ^ b ^ c) + x12 + 0xe6db99e5, 11)) | 0
  c = (d + turned(c + (d ^ a ^ b) + x15 + 0x1fa27cf8, 16)) | 0
  b = (c + turned(b + (c ^ d ^ a) + x2 + 0xc4ac5665, 23)) | 0

  // I
  a = (b + turned(a + (c ^ (b | ~d)) + x0 + 0xf4292244, 6)) | 0
  d = (a + turned(d + (b ^ (a | ~c)) + x7 + 0x432aff97, 10)) | 0
  c = (d + turned(c + (a ^ (d | ~b)) + x14 + 0xab9423a7, 15)) | 0
  b = (c + turned(b + (d ^ (c | ~a)) + x5 + 0xfc93a039, 21)) | 0
  a = (b + turned(a + (c ^ (b | ~d)) + x12 + 0x655b59c3, 6)) | 0
  d = (a + turned(d + (b ^ (a | ~c)) + x3 + 0x8f0ccc92, 10)) | 0
  c = (d + turned(c + (a ^ (d | ~b)) + x10 + 0xffeff47d, 15)) | 0
  b = (c + turned(b + (d ^ (c | ~a)) + x1 + 0x85845dd1, 21)) | 0
  a = (b + turned(a + (c ^ (b | ~d)) + x8 + 0x6fa87e4f, 6)) | 0
  d = (a + turned(d + (b ^ (a | ~c)) + x15 + 0xfe2ce6e0, 10)) | 0
  c = (d + turned(c + (a ^ (d | ~b)) + x6 + 0xa3014314, 15)) | 0
  b = (c + turned(b + (d ^ (c | ~a)) + x13 + 0x4e0811a1, 21)) | 0
  a = (b + turned(a + (c ^ (b | ~d)) + x4 + 0xf7537e82, 6)) | 0
  d = (a + turned(d + (b ^ (a | ~c)) + x11 + 0xbd3af235, 10)) | 0
  c = (d + turned(c + (a ^ (d | ~b)) + x2 + 0x2ad7d2bb, 15)) | 0
  b = (c + turned(b + (d ^ (c | ~a)) + x9 + 0xeb86d391, 21)) | 0

  state[0] = (state[0] as number) + a
  state[1] = (state[1] as number) + b
  state[2] = (state[2] as number) + c
  state[3] = (state[3] as number) + d
}

function turned(sum: number, by: number): number {
  return (sum << by) | (sum >>> (32 - by))
}
