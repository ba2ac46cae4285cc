/**
 * Every cell of our tables against RFC 2661: it does what the RFC's row says, or a rule below says why the RFC has no such
 * row, or why we do otherwise.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LAC_CALL_TABLE, LNS_CALL_TABLE } from '../../core/protocol/session-table.ts'
import { TUNNEL_TABLE } from '../../core/protocol/tunnel-table.ts'
import { CONTROL_CONNECTION, LAC_INCOMING, LNS_INCOMING, type RfcRow } from './rfc2661-tables.ts'

type Cell = readonly [action: string, next: string]

/** Cells without a row of the RFC, or (`instead`) with one that we do not follow. '*': whichever no other rule names. */
interface Rule {
  readonly states: readonly string[]
  readonly events: readonly string[]
  /** `next` '=': stays. */
  readonly cell: Cell
  readonly because: string
  readonly instead?: true
}

function rule(states: string, events: string, action: string, next: string, because: string): Rule {
  return { states: states.split(' '), events: events.split(' '), cell: [action, next], because }
}

interface Comparison {
  readonly table: Readonly<Record<string, Readonly<Record<string, Cell>>>>
  readonly rows: readonly RfcRow[]
  /** Our events in the RFC's words. */
  readonly events: Readonly<Record<string, readonly string[]>>
  /** Our actions in the RFC's words; an action that is not here has none. */
  readonly actions: Readonly<Record<string, readonly string[]>>
  /** The end of a machine: the RFC has it fall back to idle. */
  readonly end: string
  readonly rules: readonly Rule[]
  /** Rows that no cell can follow, and the scenario that covers them. */
  readonly elsewhere: readonly (readonly [state: string, event: string, scenario: string])[]
}

function compare(name: string, comparison: Comparison): void {
  const { table, rows, events, actions, end, rules, elsewhere } = comparison
  const used = new Set<unknown>()

  for (const [state, cells] of Object.entries(table)) {
    for (const [event, cell] of Object.entries(cells)) {
      test(`${name}: ${state} x ${event}`, () => {
        const row = rows.find(
          ({ states, event: rfcEvent }) => states.includes(state) && events[event]?.includes(rfcEvent),
        )
        const named = rules.filter(({ states, events: of }) => states.includes(state) && of.includes(event))
        const general = rules.filter(({ states, events: of }) => states.includes('*') && of.includes(event))
        const matching = named.length > 0 ? named : row === undefined ? general : []
        assert.ok(matching.length <= 1, 'one rule at most')
        const [own] = matching
        for (const each of [row, own]) used.add(each)
        if (own !== undefined) {
          const next = own.cell[1] === '=' ? state : own.cell[1]
          assert.deepEqual(cell, [own.cell[0], next], own.because)
          if (row !== undefined) assert.ok(own.instead, `the RFC has a row for this: ${row.event}`)
          return
        }
        assert.ok(row !== undefined, 'neither a row of the RFC nor a rule of ours')
        const [action, next] = admitted(table, cell)
        assert.deepEqual([actions[action], next === end ? 'idle' : next], [row.actions, row.next])
      })
    }
  }

  test(`${name}: every row of the RFC and every rule is met`, () => {
    for (const row of rows) {
      const missed = row.states.filter(
        state => !used.has(row) && !elsewhere.some(([at, event]) => at === state && event === row.event),
      )
      assert.deepEqual(missed, [], row.event)
    }
    assert.deepEqual(
      rules.filter(each => !used.has(each)).map(({ because }) => because),
      [],
    )
  })
}

/** Admission by a hook stands between the RFC's request and its reply: look past it. */
function admitted(table: Comparison['table'], cell: Cell): Cell {
  return cell[0] === 'ask-admission' ? (table.admitting?.admitted ?? cell) : cell
}

const OPEN = 'Send tunnel-open event to waiting sessions'

compare('control connection', {
  table: TUNNEL_TABLE,
  rows: CONTROL_CONNECTION,
  end: 'closed',
  events: {
    dial: ['Local Open request'],
    sccrq: ['Receive SCCRQ, acceptable', 'Receive SCCRQ'],
    'sccrq-refused': ['Receive SCCRQ, not acceptable', 'Receive SCCRQ'],
    'tie-lost': ['Receive SCCRQ, lose tie-breaker'],
    sccrp: ['Receive SCCRP, acceptable', 'Receive SCCRP'],
    'sccrp-refused': ['Receive SCCRP, not acceptable', 'Receive SCCRP'],
    scccn: ['Receive SCCCN, acceptable', 'Receive SCCCN'],
    'scccn-refused': ['Receive SCCCN, not acceptable', 'Receive SCCCN'],
    stopccn: ['Receive StopCCN'],
    close: ['Admin Tunnel close event'],
  },
  actions: {
    'send-sccrq': ['Send SCCRQ'],
    'send-sccrp': ['Send SCCRP'],
    'send-scccn-and-open': ['Send SCCCN', OPEN],
    open: [OPEN],
    stop: ['Send StopCCN', 'Clean up'],
    'clean-up': ['Clean up'],
  },
  rules: [
    rule('admitting', 'admitted', 'send-sccrp', 'wait-ctl-conn', 'the rest of "Receive SCCRQ, acceptable"'),
    rule('admitting', 'denied', 'stop', 'closed', 'a hook finds the SCCRQ not acceptable'),
    rule(
      'admitting',
      'sccrq sccrq-refused sccrp sccrp-refused scccn scccn-refused',
      'stop',
      'closed',
      'as in wait-ctl-conn',
    ),
    rule('admitting', 'stopccn', 'clean-up', 'closed', 'as in every other state'),
    rule(
      'wait-ctl-reply',
      'sccrq sccrq-refused',
      'stop',
      'closed',
      'an SCCRQ that crosses ours comes to tunnel id 0; within this tunnel it is out of order (7.1)',
    ),
    {
      ...rule(
        'wait-ctl-reply',
        'tie-lost',
        'forget',
        'closed',
        'clean up; the SCCRQ goes on in a tunnel of its own',
      ),
      instead: true,
    },
    rule('admitting wait-ctl-reply wait-ctl-conn', 'close', 'stop', 'closed', 'the admin need not wait'),
    rule(
      'admitting wait-ctl-reply wait-ctl-conn established',
      'bad-message',
      'stop',
      'closed',
      '7.1: an invalid message clears the control connection',
    ),
    rule(
      'admitting wait-ctl-reply wait-ctl-conn established',
      'silent',
      'forget',
      'closed',
      '5.8: nobody acknowledges, so nobody is told',
    ),
    rule('closed', 'stopccn', 'clean-up', '=', 'both closed at once: ours need not be repeated'),
    rule('closed', 'silent', 'forget', '=', 'what is left need not be acknowledged'),
    rule(
      'closed',
      'dial sccrq sccrq-refused admitted denied tie-lost sccrp sccrp-refused scccn scccn-refused bad-message close',
      'ignore',
      '=',
      'it only acknowledges (5.7)',
    ),
    {
      ...rule(
        'idle',
        'sccrp sccrp-refused scccn scccn-refused stopccn',
        'ignore',
        '=',
        'without a tunnel there is nobody to clean up after, and what names an unknown tunnel is dropped unanswered: an answer would tell strangers which ids are taken',
      ),
      instead: true,
    },
    rule('*', 'dial', 'ignore', '=', 'each dial has a tunnel of its own'),
    rule('*', 'admitted denied', 'ignore', '=', 'a verdict that nobody waits for'),
    rule('*', 'tie-lost', 'ignore', '=', 'only an SCCRQ of ours can lose a tie'),
    rule('idle', 'bad-message close silent', 'ignore', '=', 'nothing has begun'),
  ],
  elsewhere: [['established', 'Local Open request (new call)', 'each dial has a tunnel of its own']],
})

const CALL_ACTIONS = {
  'send-icrq': ['Send ICRQ'],
  'send-icrp': ['Send ICRP'],
  'send-iccn-and-connect': ['Send ICCN'],
  connect: ['Prepare for data'],
  disconnect: ['Send CDN', 'Clean up'],
  'clean-up': ['Clean up'],
}

compare('LNS incoming call', {
  table: LNS_CALL_TABLE,
  rows: LNS_INCOMING,
  end: 'closing',
  events: {
    icrq: ['Receive ICRQ, acceptable', 'Receive ICRQ'],
    icrp: ['Receive ICRP'],
    iccn: ['Receive ICCN, acceptable', 'Receive ICCN'],
    cdn: ['Receive CDN'],
    close: ['Local Close request'],
    'bad-message': ['Receive ICCN, not acceptable'],
  },
  actions: CALL_ACTIONS,
  rules: [
    rule('admitting', 'admitted', 'send-icrp', 'wait-connect', 'the rest of "Receive ICRQ, acceptable"'),
    rule('admitting', 'denied', 'disconnect', 'closing', 'a hook finds the ICRQ not acceptable'),
    rule('admitting', 'icrq icrp iccn', 'disconnect', 'closing', 'as in wait-connect'),
    rule('admitting', 'cdn', 'clean-up', 'closing', 'as in every other state'),
    rule('admitting', 'close', 'disconnect', 'closing', 'as in wait-connect'),
    rule(
      'admitting established',
      'bad-message',
      'disconnect',
      'closing',
      '7.1: an invalid message clears the call',
    ),
    rule(
      'admitting wait-connect established',
      'tunnel-lost',
      'clean-up',
      'closing',
      '5.7: a StopCCN ends every call without a word for each',
    ),
    {
      ...rule(
        'idle',
        'icrp iccn cdn',
        'ignore',
        '=',
        'no call exists: the tunnel answers what must be answered',
      ),
      instead: true,
    },
    rule('idle', 'bad-message close tunnel-lost', 'ignore', '=', 'nothing has begun'),
    rule(
      'closing',
      'icrq icrp iccn cdn bad-message close tunnel-lost',
      'ignore',
      '=',
      'over for the peer; we wait for the data plane alone',
    ),
    rule('*', 'admitted denied', 'ignore', '=', 'a verdict that nobody waits for'),
  ],
  elsewhere: [['idle', 'Receive ICRQ, not acceptable', 'calls.test.ts: a call too many is refused']],
})

compare('LAC incoming call', {
  table: LAC_CALL_TABLE,
  rows: LAC_INCOMING,
  end: 'closing',
  events: {
    call: ['Bearer Ring or Ready to indicate incoming conn.'],
    'tunnel-open': ['tunnel-open'],
    icrq: ['Receive ICRQ'],
    icrp: ['Receive ICRP, acceptable', 'Receive ICRP'],
    iccn: ['Receive ICCN'],
    cdn: ['Receive CDN'],
    close: ['Bearer line drop or local close request', 'Local close request or Bearer line drop'],
    'bad-message': ['Receive ICRP, not acceptable'],
  },
  actions: CALL_ACTIONS,
  rules: [
    {
      ...rule('idle', 'call', 'ignore', 'wait-tunnel', 'the endpoint opens the tunnel with the call'),
      instead: true,
    },
    rule('established', 'bad-message', 'disconnect', 'closing', '7.1: an invalid message clears the call'),
    rule(
      'wait-tunnel wait-reply established',
      'tunnel-lost',
      'clean-up',
      'closing',
      '5.7: a StopCCN ends every call',
    ),
    {
      ...rule('idle', 'icrp iccn cdn', 'ignore', '=', 'no call exists: there is nothing to clean up'),
      instead: true,
    },
    rule('idle', 'icrq bad-message close tunnel-lost', 'ignore', '=', 'nothing has begun'),
    rule(
      'wait-tunnel',
      'icrq icrp iccn cdn bad-message',
      'ignore',
      '=',
      'the peer has not heard of the call',
    ),
    rule(
      'closing',
      'icrq icrp iccn cdn bad-message close tunnel-lost',
      'ignore',
      '=',
      'over for the peer; we wait for the data plane alone',
    ),
    rule('*', 'call tunnel-open', 'ignore', '=', 'each happens once in the life of a call'),
  ],
  elsewhere: [],
})
