/** YAML with the place of everything in it. */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type Scalar,
  type YAMLSeq,
} from 'yaml'
import { BurrowError, type ErrorCode, type ErrorPlace, throwProblems } from '../errors.ts'
import type { ValuePath } from '../plugin/schema-nodes.ts'

export interface PlacedYaml {
  readonly value: unknown
  /** Where the value of a path is written; the nearest enclosing one where there is none. */
  locate(path: ValuePath): ErrorPlace
}

/** A value and where it is written: in a mapping the line of its key, in a list its own. */
export interface PlacedNode {
  readonly value: unknown
  readonly place: ErrorPlace
  /** By key, or by index; undefined for what is neither mapping nor list. */
  readonly inner?: ReadonlyMap<PropertyKey, PlacedNode>
  /** As it is written, where a reference stands for the value: `!env NAME`. */
  readonly written?: string
  /** It is the content of another file. */
  readonly included?: true
}

/** What tags of our own mean. */
export interface Tags {
  readonly names: readonly string[]
  /** The node that stands where `tag text` is written. */
  resolve(tag: string, text: string, place: ErrorPlace): PlacedNode
}

interface Source {
  readonly file: string
  readonly text: string
  /** Of syntax errors. */
  readonly code: ErrorCode
  readonly tags: Tags
}

const NO_TAGS: Tags = { names: [], resolve: (_tag, _text, place) => ({ value: null, place }) }

/** Parses the text of `file`, which holds no tags; throws `code` with every error, none of which quotes the file. */
export function parseYaml(file: string, text: string, code: ErrorCode = 'CONFIG_SYNTAX'): PlacedYaml {
  return placedYaml(placedTree({ file, text, code, tags: NO_TAGS }))
}

export const placedYaml = (root: PlacedNode): PlacedYaml => ({
  value: root.value ?? {},
  locate: path => nodeAt(root, path).place,
})

/** Parses one file as a tree; throws as `parseYaml` does, and what `tags` throw. */
export function placedTree({ file, text, code, tags }: Source): PlacedNode {
  const lines = new LineCounter()
  const customTags = tags.names.map(tag => ({
    tag,
    resolve: (argument: string) => new Tagged(tag, argument),
  }))
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, customTags })
  const placeAt = (offset: number): ErrorPlace => ({ file, line: lines.linePos(offset).line })
  const problem = (what: string, offset: number) => new BurrowError(code, what, placeAt(offset))
  const unknown = tags.names.length === 0 ? 'a tag, which has no meaning here' : unknownTag(tags)
  throwProblems([
    // What follows a colon or a backslash quotes the file, and with it perhaps a secret.
    ...document.errors.map(({ message, pos }) => problem(message.replace(/[:\\].*$/s, ''), pos[0])),
    ...document.warnings
      .filter(warning => warning.code === 'TAG_RESOLVE_FAILED')
      .map(({ pos }) => problem(unknown, pos[0])),
  ])
  return new Tree(document, { placeAt, problem, tags }).root()
}

const unknownTag = ({ names }: Tags) => `an unknown tag; known are ${names.join(', ')}`

function nodeAt(root: PlacedNode, path: ValuePath): PlacedNode {
  let node = root
  for (const key of path) {
    const next = node.inner?.get(key)
    if (next === undefined) break
    node = next
  }
  return node
}

/** What a tag of ours stands for until its place is known. */
class Tagged {
  readonly tag: string
  readonly text: string

  constructor(tag: string, text: string) {
    this.tag = tag
    this.text = text
  }
}

interface Reading {
  readonly placeAt: (offset: number) => ErrorPlace
  readonly problem: (what: string, offset: number) => BurrowError
  readonly tags: Tags
}

/** Aliases may stand for so many values that they fill the memory. */
const MOST_ALIASED = 100_000

class Tree {
  readonly #document: Document.Parsed
  readonly #reading: Reading
  /** What is being built, for aliases that stand inside of what they name. */
  readonly #open = new Set<unknown>()
  #aliases = 0
  #aliased = 0

  constructor(document: Document.Parsed, reading: Reading) {
    this.#document = document
    this.#reading = reading
  }

  root(): PlacedNode {
    const { contents } = this.#document
    return this.#build(contents, this.#place(contents))
  }

  #build(node: unknown, place: ErrorPlace): PlacedNode {
    if (this.#aliases > 0 && ++this.#aliased > MOST_ALIASED)
      throw this.#wrong('aliases that stand for too much', node)
    if (isAlias(node)) return this.#alias(node, place)
    if (isMap(node)) return this.#within(node, () => this.#map(node.items, place))
    if (isSeq(node)) return this.#within(node, () => this.#list(node, place))
    if (isScalar(node)) return this.#scalar(node, place)
    return { value: null, place }
  }

  #alias(alias: { resolve(document: Document): unknown }, place: ErrorPlace): PlacedNode {
    const target = alias.resolve(this.#document)
    if (target === undefined) throw this.#wrong('an alias without an anchor before it', alias)
    if (this.#open.has(target)) throw this.#wrong('an alias inside of what it names', alias)
    this.#aliases++
    const built = this.#build(target, place)
    this.#aliases--
    return built
  }

  #within(node: unknown, build: () => PlacedNode): PlacedNode {
    this.#open.add(node)
    const built = build()
    this.#open.delete(node)
    return built
  }

  #map(items: readonly { readonly key: unknown; readonly value: unknown }[], place: ErrorPlace): PlacedNode {
    const inner = new Map<PropertyKey, PlacedNode>()
    for (const { key, value } of items) {
      const name = isScalar(key) ? key.value : key
      if ((typeof name === 'object' && name !== null) || name === undefined)
        throw this.#wrong('a key that is no text', key)
      const built = this.#build(value, this.#place(key))
      inner.set(String(name ?? ''), built)
    }
    const value = Object.fromEntries([...inner].map(([key, node]) => [key, node.value]))
    return { value, place, inner }
  }

  #list({ items }: YAMLSeq, place: ErrorPlace): PlacedNode {
    const nodes = items.flatMap(item => {
      const node = this.#build(item, this.#place(item))
      return node.included && Array.isArray(node.value) ? [...(node.inner?.values() ?? [])] : [node]
    })
    return { value: nodes.map(({ value }) => value), place, inner: new Map(nodes.entries()) }
  }

  #scalar({ value, range }: Scalar, place: ErrorPlace): PlacedNode {
    if (!(value instanceof Tagged)) return { value, place }
    const own = this.#reading.placeAt(range?.[0] ?? 0)
    return atKey(this.#reading.tags.resolve(value.tag, value.text, own), place)
  }

  #place(node: unknown): ErrorPlace {
    return this.#reading.placeAt(startOf(node) ?? 0)
  }

  #wrong(what: string, node: unknown): BurrowError {
    return this.#reading.problem(what, startOf(node) ?? 0)
  }
}

/** An included scalar stands in its own file; all else has the place of its key. */
const atKey = (node: PlacedNode, place: ErrorPlace): PlacedNode =>
  node.included && node.inner === undefined ? node : { ...node, place }

const startOf = (node: unknown): number | undefined => (node as Node | null | undefined)?.range?.[0]
