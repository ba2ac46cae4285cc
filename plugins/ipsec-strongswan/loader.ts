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
    return this.#inTurn(() => this.#load(wanted))
  }

  #inTurn(act: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(act)
    this.#turn = done.catch(() => {})
    return done
  }

  /** One thing more, or anew. */
  add(item: Item): Promise<void> {
    return this.#inTurn(() => this.#put(item))
  }

  /** One thing less; nothing where it is not there. */
  remove(id: string): Promise<void> {
    return this.#inTurn(async () => {
      const loaded = this.#loaded.get(id)
      if (loaded === undefined) return
      await this.#unload(loaded)
      this.#loaded.delete(id)
    })
  }

  async #load(wanted: readonly Item[]): Promise<void> {
    const ids = new Set(wanted.map(({ id }) => id))
    for (const [id, loaded] of [...this.#loaded].reverse()) {
      if (ids.has(id)) continue
      await this.#unload(loaded)
      this.#loaded.delete(id)
    }
    for (const item of wanted) await this.#put(item)
  }

  async #put(item: Item): Promise<void> {
    const loaded = this.#loaded.get(item.id)
    if (loaded !== undefined && isDeepStrictEqual(loaded.item, item)) return
    const answer = await this.#vici.order(`load-${item.kind}`, item.message, item.id)
    this.#loaded.set(item.id, { item, keyId: textOf(answer.id) })
  }

  /** charon lets go of certificates only all at once, those of others too: they stay. */
  async #unload({ item: { kind, id }, keyId }: Loaded): Promise<void> {
    if (kind === 'conn') await this.#vici.order('unload-conn', { name: id }, id)
    else if (kind === 'shared') await this.#vici.order('unload-shared', { id }, id)
    else if (kind === 'key' && keyId !== undefined) await this.#vici.order('unload-key', { id: keyId }, id)
  }
}
