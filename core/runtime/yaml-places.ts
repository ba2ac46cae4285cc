/** YAML with the line of everything in it. */
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml'
import { BurrowError, type ErrorCode, type ErrorPlace, throwProblems } from '../errors.ts'
import type { ValuePath } from '../plugin/schema-problems.ts'

export interface PlacedYaml {
  readonly value: unknown
  /** Where the value of a path is written; the nearest enclosing one where there is none. */
  locate(path: ValuePath): ErrorPlace
}

/** Parses the text of `file`; throws `code` with every error, none of which quotes the file. */
export function parseYaml(file: string, text: string, code: ErrorCode = 'CONFIG_SYNTAX'): PlacedYaml {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const lineAt = (offset: number) => lines.linePos(offset).line
  const problem = (what: string, offset: number) =>
    new BurrowError(code, what, { file, line: lineAt(offset) })
  // What follows a colon or a backslash quotes the file, and with it perhaps a secret.
  throwProblems(document.errors.map(({ message, pos }) => problem(message.replace(/[:\\].*$/s, ''), pos[0])))
  return {
    value: toValue(document, problem) ?? {},
    locate: path => ({ file, line: lineAt(offsetOf(document, path)) }),
  }
}

const NO_ANCHOR = 'an alias without an anchor before it'

/** Aliases are resolved only here: one may have no anchor, or there may be so many that they fill the memory. */
function toValue(document: Document.Parsed, problem: (what: string, offset: number) => BurrowError): unknown {
  try {
    const value: unknown = document.toJS({ maxAliasCount: 100 })
    // Throws where an alias made the value contain itself.
    JSON.stringify(value)
    return value
  } catch {
    let dangling: Alias | undefined
    visit(document, {
      Alias(_key, alias) {
        if (alias.resolve(document) === undefined) dangling ??= alias
      },
    })
    const what = dangling === undefined ? 'aliases that are too many or inside of what they name' : NO_ANCHOR
    throw problem(what, startOf(dangling) ?? 0)
  }
}

function offsetOf(document: Document, path: ValuePath): number {
  let node: unknown = document.contents
  let offset = startOf(node) ?? 0
  for (const key of path) {
    const inner = isAlias(node) ? node.resolve(document) : node
    if (isMap(inner)) {
      const pair = inner.items.find(item => (isScalar(item.key) ? item.key.value : item.key) === key)
      offset = startOf(pair?.key) ?? offset
      node = pair?.value
    } else if (isSeq(inner)) {
      node = inner.items[Number(key)]
      offset = startOf(node) ?? offset
    } else break
  }
  return offset
}

const startOf = (node: unknown): number | undefined => (node as Node | null | undefined)?.range?.[0]
