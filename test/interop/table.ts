/**
 * `npm run interop`: plays every row of rows.ts with real peers and prints what came of it, `--json` as data; `--only WORD` plays the rows
 * that have this word in them, `--write` puts the table into docs/clients.md. Status 1 unless each row is ok: one that was skipped is not.
 */
import { parseArgs } from 'node:util'
import { table } from '../../core/cli/table.ts'
import { escapeText } from '../../core/wire/escape.ts'
import { isDeclined, type Kind } from '../setup/peers.ts'
import { end, prepare, say } from '../setup/prepare.ts'
import { writeTable } from './page.ts'
import { cellsOf, HEADS, ROW_COUNT, ROWS, type Row } from './rows.ts'
import { setScene } from './scene.ts'

interface Result {
  readonly outcome: 'ok' | 'failed' | 'skipped'
  readonly seconds?: number
  /** Why it is not ok. */
  readonly why?: string
}

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
    write: { type: 'boolean', default: false },
  },
})
if (values.write && values.only.length > 0) end('--write needs every row: leave --only out', 2)
const has = (row: Row, word: string) => cellsOf(row).join(' ').toLowerCase().includes(word.toLowerCase())
const rows = ROWS.filter(row => values.only.every(word => has(row, word)))
if (rows.length === 0) end(`no row has ${values.only.join(' and ')} in it`, 2)

const results = new Map<Row, Result>()
const kinds: readonly Kind[] = ['network', 'peers', 'radius', 'dissector']
const lack = kinds.some(isDeclined) ? 'BURROW_TEST_PEERS=skip' : (await prepare(kinds))?.reason
let versions = 'nothing was played'
let trouble: string | undefined
if (lack === undefined) await play()

const unplayed: Result = { outcome: 'skipped', why: lack ?? 'not played' }
const told = rows.map(row => ({ cells: cellsOf(row), ...(results.get(row) ?? unplayed) }))
const ok = told.filter(({ outcome }) => outcome === 'ok').length
const whole = values.only.length > 0 || told.length === ROW_COUNT
const heads = [...HEADS, 'RESULT']
const lines = told.map(({ cells, ...result }) => [...cells, inWords(result)])
const about = `${versions}: ${ok} of ${told.length} rows are ok.`
if (values.json) process.stdout.write(`${JSON.stringify({ versions, rows: told.map(asData) }, null, 2)}\n`)
else process.stdout.write(`${table(heads, lines)}\n${about}\n`)
if (values.write) writeTable(about, heads, lines)
if (!whole) say(`there are ${told.length} rows, not ${ROW_COUNT}`)
if (trouble !== undefined) say(trouble)
process.exit(ok === told.length && whole && trouble === undefined ? 0 : 1)

async function play(): Promise<void> {
  const undo: (() => void | Promise<void>)[] = []
  try {
    const scene = await setScene({ after: act => undo.unshift(act) }, rows)
    versions = scene.versions
    await Promise.all(
      scene.lanes.map(async lane => {
        for (const row of lane.rows) {
          const began = performance.now()
          const why = await lane.play(row).then(
            () => undefined,
            error => String(error?.message ?? error),
          )
          const seconds = Math.round((performance.now() - began) / 100) / 10
          results.set(row, { outcome: why === undefined ? 'ok' : 'failed', seconds, ...(why && { why }) })
          say(`${results.size} of ${rows.length}: ${cellsOf(row).join(', ')}: ${escapeText(why ?? 'ok')}`)
        }
      }),
    )
    await scene.end()
  } catch (error) {
    trouble = escapeText(String((error as Error).message))
  } finally {
    for (const act of undo) await act()
  }
}

function inWords({ outcome, why }: Result): string {
  return why === undefined ? outcome : `${outcome}: ${why.split('\n')[0]}`
}

function asData({ cells, ...result }: { readonly cells: readonly string[] } & Result) {
  return { ...Object.fromEntries(HEADS.map((head, index) => [head.toLowerCase(), cells[index]])), ...result }
}
