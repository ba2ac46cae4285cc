const NEWLINE = 0x0a

/** Cuts a stream of bytes into lines of UTF-8, and keeps no more of one than `longest` bytes. */
export class Lines {
  readonly #longest: number
  readonly #onLine: (line: string, whole: boolean) => void
  #parts: Buffer[] = []
  #bytes = 0
  /** The rest of a line that was too long. */
  #skipping = false

  /** A line that is too long comes at once, cut, with `whole` false; its rest is dropped. */
  constructor(longest: number, onLine: (line: string, whole: boolean) => void) {
    this.#longest = longest
    this.#onLine = onLine
  }

  push(chunk: Buffer): void {
    let from = 0
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      this.#keep(chunk.subarray(from, at))
      if (!this.#skipping) this.#emit(true)
      this.#skipping = false
      from = at + 1
    }
    this.#keep(chunk.subarray(from))
  }

  /** Gives what stands behind the last newline. */
  end(): void {
    if (this.#bytes > 0) this.#emit(true)
  }

  #keep(part: Buffer): void {
    if (this.#skipping || part.length === 0) return
    this.#parts.push(part.subarray(0, this.#longest - this.#bytes))
    this.#bytes += part.length
    if (this.#bytes <= this.#longest) return
    this.#skipping = true
    this.#emit(false)
  }

  #emit(whole: boolean): void {
    const line = Buffer.concat(this.#parts).toString('utf8')
    this.#parts = []
    this.#bytes = 0
    this.#onLine(line, whole)
  }
}
