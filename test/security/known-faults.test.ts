/** Faults of other daemons (docs/hardening.md) whose tests need more than the machine that they are about. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Output } from '../../core/protocol/outputs.ts'
import { decodeAvpList, encodeAvpList } from '../../core/wire/avp.ts'
import { AVPS, avpName } from '../../core/wire/avp-dictionary.ts'
import { encodeMessage, MESSAGES } from '../../core/wire/control-message.ts'
import { encodeControlDatagram } from '../../core/wire/l2tp-header.ts'
import { Pair, type Side } from '../support/pair.ts'
import { Bench } from '../support/scripted-peer.ts'

const FIRST = { tunnelId: 0, sessionId: 0, ns: 0, nr: 0 }
const SCCRQ = encodeMessage({
  type: 'SCCRQ',
  avps: {
    protocolVersion: { version: 1, revision: 0 },
    framingCapabilities: { async: true, sync: true },
    hostName: 'peer',
    assignedTunnelId: 5,
  },
})

/** SCCRQs that are almost one: cut anywhere, without an AVP, with an AVP of another length, with a stranger that insists. */
function* almostSccrqs(): Generator<Uint8Array> {
  for (let length = 1; length < SCCRQ.length; length++) yield SCCRQ.subarray(0, length)
  const { avps } = decodeAvpList(SCCRQ)
  for (const [index, avp] of avps.entries()) {
    yield encodeAvpList(avps.toSpliced(index, 1))
    if (avpName(avp.type) !== 'hostName')
      yield encodeAvpList(avps.with(index, { ...avp, value: avp.value.subarray(1) }))
    yield encodeAvpList(avps.with(index, { ...avp, reserved: false, hidden: true, mandatory: true }))
  }
  const first = { mandatory: true, hidden: false, reserved: false, vendorId: 0, type: 0 }
  yield encodeAvpList([...avps, { ...first, type: 0x7fff, value: new Uint8Array(4) }])
  yield encodeAvpList([
    ...avps,
    { ...first, vendorId: 9, type: AVPS.hostName.type, value: new Uint8Array(4) },
  ])
  for (const number of [...Object.values(MESSAGES).map(entry => entry.number), 0, 5, 13, 17, 0xffff])
    if (number !== MESSAGES.SCCRQ.number)
      yield encodeAvpList([{ ...first, value: Uint8Array.of(number >> 8, number & 0xff) }, ...avps.slice(1)])
  const nobody = SCCRQ.slice()
  nobody.fill(0, SCCRQ.length - 2)
  yield nobody
}

test('xl2tpd #23, #195: junk to UDP 1701 does not grow memory: what is not quite an SCCRQ allocates nothing', () => {
  const bench = new Bench()
  const peer = bench.peer()
  let count = 0
  for (const body of almostSccrqs()) {
    peer.raw(encodeControlDatagram(FIRST, body))
    assert.ok(bench.endpoint.isIdle(), Buffer.from(body).toString('hex'))
    count++
  }
  assert.ok(count > 70)
  assert.equal(bench.drops().length, count)
  assert.equal(peer.octets, 0)
  // What was cut and bent is one.
  peer.raw(encodeControlDatagram(FIRST, SCCRQ))
  peer.expect('SCCRP')
})

/** Ways in which a call comes to its end. */
const ENDS: Readonly<Record<string, (pair: Pair, session: string) => void>> = {
  'the client hangs up': pair => endFirst(pair, pair.client),
  'the client leaves with its tunnel': pair =>
    pair.act(pair.client, (endpoint, now) => endpoint.shutdown(now)),
  'the client crashes and dials again': pair => {
    pair.crash(pair.client)
    pair.dial()
  },
  'the operator ends it': (pair, session) =>
    pair.act(pair.lns, (endpoint, now) => endpoint.hangUp(now, session, { cause: 'admin-reset' })),
  'its user dials again': (pair, session) =>
    pair.act(pair.lns, (endpoint, now) => endpoint.hangUp(now, session, { cause: 'replaced' })),
  'the LNS ends the tunnel': (pair, session) =>
    pair.act(pair.lns, (endpoint, now) =>
      endpoint.closeTunnel(now, session.slice(0, session.lastIndexOf('/')), { cause: 'local-hangup' }),
    ),
  'the LNS stops': pair => pair.act(pair.lns, (endpoint, now) => endpoint.shutdown(now)),
}

function endFirst(pair: Pair, side: Side): void {
  const key = side.endpoint.sessions()[0]?.session.key ?? ''
  pair.act(side, (endpoint, now) => endpoint.hangUp(now, key, { cause: 'local-hangup' }))
}

/** A pair with one call that is up, and what the LNS says of that call from then on. */
function callUp(): { pair: Pair; session: string; told: string[] } {
  const told: string[] = []
  let listen = (_output: Output): void => {}
  const pair: Pair = new Pair({
    seed: 5,
    onOutput: (side, output) => {
      if (side === pair.lns) listen(output)
    },
  })
  pair.dial()
  pair.run(1000)
  const [{ session } = assert.fail('no session')] = pair.lns.endpoint.sessions()
  const [flow = assert.fail('no flow')] = pair.lns.flows.values()
  listen = output => {
    if (output.kind === 'flow') {
      const { id, generation } = output.op === 'upsert' ? output.flow : { ...output, id: output.flowId }
      if (id === flow.id && generation === flow.generation) told.push(`flow ${output.op}`)
    } else if (output.kind === 'event' && output.event.kind === 'sessionDown') {
      if (output.event.session.id === session.id) told.push('sessionDown')
    }
  }
  return { pair, session: session.key, told }
}

for (const [first, endOnce] of Object.entries(ENDS)) {
  test(`Linux: teardown races: ${first}, and meanwhile every other end: the flow goes once, then the session`, () => {
    for (const [second, endTwice] of Object.entries(ENDS)) {
      // The way takes 10 ms, the data plane 5 ms: before, while and after each is under way.
      for (const laterMs of [0, 5, 10, 12, 15, 20, 30, 45]) {
        const name = `${first}; ${laterMs} ms later ${second}`
        const { pair, session, told } = callUp()
        endOnce(pair, session)
        pair.at(pair.now + laterMs, () => endTwice(pair, session))
        pair.run(pair.now + 400_000)
        for (const side of [pair.client, pair.lns]) pair.act(side, (endpoint, now) => endpoint.shutdown(now))
        pair.run(pair.now + 400_000)
        assert.deepEqual(told, ['flow remove', 'sessionDown'], name)
        assert.ok(pair.lns.endpoint.isIdle() && pair.client.endpoint.isIdle(), name)
        const downs = pair.lns.eventsOf('sessionDown').map(event => event.session.id)
        assert.equal(new Set(downs).size, downs.length, name)
        assert.equal(pair.lns.flows.size + pair.lns.leases.size, 0, name)
      }
    }
  })
}
