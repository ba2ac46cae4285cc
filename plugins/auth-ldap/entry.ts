/** An entry of a directory: attributes by name, whatever its case. */
import type { Entry as LdaptsEntry } from 'ldapts'

export class Entry {
  readonly dn: string
  readonly #values = new Map<string, readonly (string | Buffer)[]>()

  constructor(entry: LdaptsEntry) {
    this.dn = entry.dn
    for (const name in entry) {
      const value = entry[name]
      if (name !== 'dn' && value !== undefined)
        this.#values.set(name.toLowerCase(), Array.isArray(value) ? value : [value])
    }
  }

  /** Its values, in no order; none where it has no such attribute. */
  values(attribute: string): readonly (string | Buffer)[] {
    return this.#values.get(attribute.toLowerCase()) ?? []
  }

  /** Its values as text. */
  texts(attribute: string): readonly string[] {
    return this.values(attribute).map(value => value.toString())
  }

  text(attribute: string): string | undefined {
    return this.texts(attribute)[0]
  }

  /** Without some attributes, to be kept. */
  without(attributes: readonly string[]): Entry {
    const copy = new Entry({ dn: this.dn })
    for (const [name, values] of this.#values) copy.#values.set(name, values)
    for (const attribute of attributes) copy.#values.delete(attribute.toLowerCase())
    return copy
  }
}
