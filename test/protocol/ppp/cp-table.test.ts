import assert from 'node:assert/strict'
import test from 'node:test'
import { step } from '../../../core/protocol/machine.ts'
import { CP_TABLE, type CpEvent, type CpStateName } from '../../../core/protocol/ppp/cp-table.ts'
import { RFC1661_STATES, rfc1661Cells } from './rfc1661-table.ts'

const cells = rfc1661Cells()

test('the transcription of RFC 1661 4.1 is whole: 10 states by 16 events', () => {
  assert.equal(cells.length, 160)
  assert.equal(new Set(cells.map(cell => `${cell.state} ${cell.event}`)).size, 160)
  assert.deepEqual(Object.keys(CP_TABLE), RFC1661_STATES)
})

for (const { state, event, transition } of cells) {
  const expected = transition ? `${transition.actions.join(',')}/${transition.next}` : '-'
  test(`RFC 1661 4.1: ${event} in ${state} is ${expected}`, () => {
    const machine = { state: state as CpStateName }
    const actions: string[] = []
    const possible = step(CP_TABLE, machine, event as CpEvent, action => {
      assert.equal(machine.state, transition?.next, 'the new state is assigned before the actions run')
      actions.push(action)
    })
    assert.equal(possible, transition !== undefined)
    assert.equal(machine.state, transition?.next ?? state)
    assert.deepEqual(actions, transition?.actions ?? [])
  })
}
