/** The page docs/radius-attributes.md, and that nothing is missing in it: what the plugins have in their tables, and what their pages say. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { HONOURED } from '../../plugins/auth-radius/honoured.ts'
import { TUNNEL_ATTRIBUTES } from '../../plugins/auth-radius/tunnel-fit.ts'
import { CHANGE_ATTRIBUTES } from '../../plugins/radius-coa/changes.ts'
import {
  DISCONNECT_ATTRIBUTES,
  NAS_ATTRIBUTES,
  SESSION_ATTRIBUTES,
} from '../../plugins/radius-coa/identify.ts'
import { ROOT } from '../support/imports.ts'
import { ABSENT, ELSEWHERE } from '../support/radius-attribute-absent.ts'
import { DIRECTIONS, type Direction, named, TESTED } from '../support/radius-attribute-cells.ts'

const PAGE = join(ROOT, 'docs/radius-attributes.md')

const ATTRIBUTES = [...new Set([...Object.values(TESTED).flat(), ...Object.keys(ELSEWHERE)])]

test('every attribute that the plugins have in their tables has its test', () => {
  const missing = (direction: Direction, names: readonly string[]) =>
    names
      .filter(name => !TESTED[direction].includes(name))
      .filter(name => !ELSEWHERE[name]?.[direction])
      .map(name => named(name, direction))
  assert.deepEqual(
    [
      ...missing('Access-Accept', [...Object.keys(HONOURED), ...Object.keys(TUNNEL_ATTRIBUTES)]),
      ...missing('Disconnect-Request', [
        ...Object.keys(DISCONNECT_ATTRIBUTES),
        ...Object.keys(NAS_ATTRIBUTES),
      ]),
      ...missing('CoA-Request', [
        ...Object.keys(SESSION_ATTRIBUTES),
        ...Object.keys(NAS_ATTRIBUTES),
        ...Object.keys(CHANGE_ATTRIBUTES),
      ]),
    ],
    [],
  )
})

/** What stands in a cell; undefined: it is empty. */
function cellOf(attribute: string, direction: Direction): string | undefined {
  const elsewhere = ELSEWHERE[attribute]?.[direction]
  const reasons = ABSENT.flatMap(({ direction: of, names }, index) =>
    of === direction && names.includes(attribute) ? [`- (${index + 1})`] : [],
  )
  const tests = TESTED[direction].includes(attribute) ? [named(attribute, direction)] : []
  const cells = [...tests, ...(elsewhere === undefined ? [] : [elsewhere.test]), ...reasons]
  assert.ok(cells.length < 2, `${named(attribute, direction)}: ${cells}`)
  return cells[0]
}

test('no cell of the table is empty, and none has both a test and a reason why there is none', () => {
  const empty = ATTRIBUTES.flatMap(attribute =>
    DIRECTIONS.filter(direction => cellOf(attribute, direction) === undefined).map(direction =>
      named(attribute, direction),
    ),
  )
  assert.deepEqual(empty, [])
  const unknown = ABSENT.flatMap(({ names }) => names).filter(name => !ATTRIBUTES.includes(name))
  assert.deepEqual(unknown, [])
})

test('the tests that the table names elsewhere are there', () => {
  for (const cells of Object.values(ELSEWHERE))
    for (const { file, test: name } of Object.values(cells)) {
      const source = readFileSync(join(ROOT, `test/plugins/${file}.test.ts`), 'utf8')
      assert.ok(source.includes(`test('${name}'`), `${file}: ${name}`)
    }
})

test('the pages of the plugins have each attribute in their tables', () => {
  const pages = (...plugins: readonly string[]) =>
    plugins.map(plugin => readFileSync(join(ROOT, `plugins/${plugin}/README.md`), 'utf8')).join('\n')
  const text: Readonly<Record<Direction, string>> = {
    'Access-Request': pages('auth-radius', 'radius-client'),
    'Access-Challenge': pages('auth-radius'),
    'Access-Accept': pages('auth-radius'),
    'Access-Reject': pages('auth-radius'),
    'Accounting-Request': pages('accounting-radius', 'radius-client'),
    'Disconnect-Request': pages('radius-coa'),
    'CoA-Request': pages('radius-coa'),
    'ACK or NAK': pages('radius-coa'),
  }
  // One is of all packets, and in the text of radius-client; the other stands for all that is refused.
  const apart: readonly string[] = ['Message-Authenticator', 'Framed-Pool']
  const missing = DIRECTIONS.flatMap(direction =>
    TESTED[direction]
      .filter(name => !apart.includes(name) && !name.startsWith('Cisco-AVPair '))
      .filter(name => !new RegExp(`^\\| ([^|]*, )?${name}[,| ]`, 'm').test(text[direction]))
      .map(name => named(name, direction)),
  )
  assert.deepEqual(missing, [])
})

function page(): string {
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return `# RADIUS attributes, and the tests that show them

Each of these tests runs against Debian's FreeRADIUS or its radclient, most of them in \`test/plugins/radius-attributes.test.ts\`. In an Access-Request and an
Accounting-Request an attribute is sent, in the answers to the first it is honoured; in a Disconnect-Request it says which session is meant, in a CoA-Request that or
what is to be changed; ACK and NAK are what is answered to these two. What each attribute does, and since which RFC, stands on the pages of
[radius-client](../plugins/radius-client/README.md),
[auth-radius](../plugins/auth-radius/README.md), [accounting-radius](../plugins/accounting-radius/README.md) and
[radius-coa](../plugins/radius-coa/README.md).

Made by \`BURROW_WRITE_PAGES=1 node dist/test/run.js radius-attributes-page\`; a test holds it to the tables of the plugins.

${row(['attribute', ...DIRECTIONS])}
${row(['---', ...DIRECTIONS.map(() => '---')])}
${ATTRIBUTES.map(name => row([name, ...DIRECTIONS.map(direction => cellOf(name, direction) ?? '')])).join('\n')}

Where there is nothing:

${ABSENT.map(({ direction, why }, index) => `${index + 1}. ${direction}: ${why}.`).join('\n')}
`
}

test('the page has the table', () => {
  if (process.env.BURROW_WRITE_PAGES === '1') writeFileSync(PAGE, page())
  assert.equal(readFileSync(PAGE, 'utf8'), page())
})
