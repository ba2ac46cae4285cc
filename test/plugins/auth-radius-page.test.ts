/** The page of auth-radius tells what its table of attributes does. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { HONOURED } from '../../plugins/auth-radius/honoured.ts'
import { TUNNEL_ATTRIBUTES } from '../../plugins/auth-radius/tunnel-fit.ts'
import { ROOT } from '../support/imports.ts'

/** Rows of a table of the README: first cell, and the whole. */
function rowsOf(heading: string): readonly { readonly names: readonly string[]; readonly row: string }[] {
  const page = readFileSync(join(ROOT, 'plugins/auth-radius/README.md'), 'utf8')
  const [, section = ''] = page.split(`## ${heading}\n`)
  const [table = ''] = section.split('\n## ')
  return table
    .split('\n')
    .filter(line => line.startsWith('| ') && !line.startsWith('| attribute '))
    .map(row => ({ names: row.split(' | ', 1)[0]?.slice(2).split(', ') ?? [], row }))
}

test('the README says of each attribute that is honoured where it is from, and what it does when it is of no use', () => {
  const rows = rowsOf('What is honoured')
  const facts = [
    ...Object.entries(HONOURED).map(([name, { since, unfit }]) => ({ name, since, unfit })),
    ...Object.entries(TUNNEL_ATTRIBUTES).map(([name, { since }]) => ({ name, since, unfit: 'refuse' })),
  ]
  for (const { name, since, unfit } of facts) {
    const [, pair] = /^Cisco-AVPair (.+)$/.exec(name) ?? []
    const found = rows.find(({ names, row }) =>
      pair === undefined ? names.includes(name) : row.includes(pair.replace(/#$/, '#1')),
    )
    assert.ok(found, `${name} is in the table`)
    const section = since.split(' ').at(-1) ?? ''
    assert.ok(found.row.includes(section), `${name}: ${since}`)
    assert.ok(found.row.includes(unfit === 'refuse' ? '| refuses |' : '| left out |'), `${name}: ${unfit}`)
  }
})
