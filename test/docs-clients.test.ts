/** docs/clients.md says what the tests do: its first table is the one of `npm run interop`, its second names tests that are there. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { PAGE, readTable } from './interop/page.ts'
import { cellsOf, ROWS } from './interop/rows.ts'
import { ROOT } from './support/imports.ts'

test('the page has the rows of npm run interop, each of them ok', () => {
  const expected = ROWS.map(row => [...cellsOf(row), 'ok'])
  assert.deepEqual(readTable(), expected, 'write it anew: npm run interop -- --write')
})

test('each habit names tests that are in the file beside them', () => {
  const text = readFileSync(join(ROOT, PAGE), 'utf8')
  const [, , ...habits] = (text.split('\n## Habits of clients\n')[1] ?? '')
    .split('\n')
    .filter(line => line.startsWith('|'))
  assert.ok(habits.length > 30)
  const unproven = habits.flatMap(line => {
    const [client = '', behaviour = '', , proof = ''] = line
      .split('|')
      .slice(1)
      .map(cell => cell.trim())
    const named = testsIn(proof)
    return named.length > 0 && named.every(isThere) ? [] : [`${client}: ${behaviour}`]
  })
  assert.deepEqual(unproven, [])
})

/** Links to files, each with the titles that follow it, in backquotes. */
function testsIn(proof: string): readonly { readonly file: string; readonly title: string }[] {
  return [...proof.matchAll(/\]\(([^)]+)\)([^[]*)/g)].flatMap(([, link = '', titles = '']) => {
    const file = join(ROOT, dirname(PAGE), link)
    const found = [...titles.matchAll(/`([^`]+)`/g)].map(([, title = '']) => ({ file, title }))
    return found.length > 0 ? found : [{ file, title: '' }]
  })
}

function isThere({ file, title }: { readonly file: string; readonly title: string }): boolean {
  const source = readFileSync(file, 'utf8')
  return title !== '' && ["'", '"', '`'].some(quote => source.includes(`test(${quote}${title}${quote}, `))
}
