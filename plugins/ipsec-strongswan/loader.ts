/** Keeps what one charon was told to have in step with what is wanted. */
import { isDeepStrictEqual } from 'node:util'
import type { Item } from './load.ts'
import type { Vici } from './vici.ts'
import { textOf } from './vici-codec.ts'

interface Loaded {
  readonly item: Item
  /** What charon calls a key. */
  readonly keyId: string | undefined
}

export class Loader {
  readonly #vici: Vici
  readonly #loaded = new Map<string, Loaded>()
  #turn: Promise<void> = Promise.resolve()

  constructor(vici: Vici) {
    this.#vici = vici
  }

  /** Unloads what is not wanted any more, and loads what is new or has changed; the rest is left alone. */
  load(wanted: readonly Item[]): Promise<void> {
    const loaded = this.#turn.then(() => this.#load(wanted))
    this.#turn = loaded.catch(() => {})
    return loaded
  }

  async #load(wanted: readonly Item[]): Promise<void> {
    for (const [id, loaded] of [...this.#loaded].reverse()) {
      if (wanted.some(item => item.id === id)) continue
      await this.#unload(loaded)
      this.#loaded.delete(id)
    }
    for (const item of wanted) {
      const loaded = this.#loaded.get(item.id)
      if (loaded !== undefined && isDeepStrictEqual(loaded.item, item)) continue
      const answer = await this.#vici.order(`load-${item.kind}`, item.message, item.id)
      this.#loaded.set(item.id, { item, keyId: textOf(answer.id) })
    }
  }

  /** charon lets go of certificates only all at once, those of others too: they stay. */
  async #unload({ item: { kind, id }, keyId }: Loaded): Promise<void> {
    if (kind === 'conn') await this.#vici.order('unload-conn', { name: id }, id)
    else if (kind === 'shared') await this.#vici.order('unload-shared', { id }, id)
    else if (kind === 'key' && keyId !== undefined) await this.#vici.order('unload-key', { id: keyId }, id)
  }
}
