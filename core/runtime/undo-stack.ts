import type { Logger } from '../ports.ts'

/** What was opened, closed in reverse; a part that fails to close is logged and holds up nobody. */
export class UndoStack {
  readonly #log: Logger
  readonly #undos: { readonly what: string; readonly undo: () => unknown }[] = []

  constructor(log: Logger) {
    this.#log = log
  }

  push(what: string, undo: () => unknown): void {
    this.#undos.push({ what, undo })
  }

  /** Idempotent; never rejects. */
  async unwind(): Promise<void> {
    for (let top = this.#undos.pop(); top !== undefined; top = this.#undos.pop()) {
      try {
        await top.undo()
      } catch (error) {
        this.#log.error({ error }, `${top.what} could not be closed`)
      }
    }
  }
}
