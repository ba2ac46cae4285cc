/** YAML with the line of everything in it. */
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'
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
  throwProblems(
    document.errors.map(({ message, pos }) => {
      // What follows a colon may quote the file, and with it a secret.
      const what = message.replace(/:.*$/s, '')
      return new BurrowError(code, what, { file, line: lineAt(pos[0]) })
    }),
  )
  return {
    value: document.toJS({ maxAliasCount: 100 }) ?? {},
    locate: path => ({ file, line: lineAt(offsetOf(document, path)) }),
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
