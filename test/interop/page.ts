/** The table of rows in docs/clients.md, between two marks: `npm run interop -- --write` writes it, a test reads it. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../support/imports.ts'

export const PAGE = 'docs/clients.md'
const BEGIN = '<!-- written by `npm run interop -- --write` -->\n'
const END = '<!-- end of what it wrote -->\n'

export function writeTable(
  about: string,
  heads: readonly string[],
  rows: readonly (readonly string[])[],
): void {
  const { before, after } = parts()
  const line = (cells: readonly string[]) =>
    `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |\n`
  const table = [heads.map(head => head.toLowerCase()), heads.map(() => '---'), ...rows].map(line).join('')
  writeFileSync(join(ROOT, PAGE), `${before}${BEGIN}\n${about}\n\n${table}\n${END}${after}`)
}

/** The cells of each row. */
export function readTable(): readonly (readonly string[])[] {
  const [, , ...rows] = parts()
    .written.split('\n')
    .filter(line => line.startsWith('|'))
  return rows.map(row =>
    row
      .split('|')
      .slice(1, -1)
      .map(cell => cell.trim()),
  )
}

function parts() {
  const text = readFileSync(join(ROOT, PAGE), 'utf8')
  const [before, rest, ...more] = text.split(BEGIN)
  const [written, after, ...others] = rest?.split(END) ?? []
  assert.ok(before !== undefined && written !== undefined && after !== undefined, `${PAGE} has both marks`)
  assert.equal(more.length + others.length, 0, `${PAGE} has each mark once`)
  return { before, written, after }
}
