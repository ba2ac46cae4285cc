import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Random } from '../../core/ports.ts'
import { decodeControl, encodeControl } from '../../core/wire/control-message.ts'
import { decodeHeader } from '../../core/wire/l2tp-header.ts'
import { decodePap } from '../../core/wire/ppp-auth.ts'
import { decodePppFrame, PPP } from '../../core/wire/ppp-frame.ts'
import { decodeCpPacket, decodeOptions } from '../../core/wire/ppp-options.ts'
import {
  type GoldenControl,
  type GoldenPpp,
  REFERENCE_DIAL,
  REFERENCE_HANG_UP,
} from '../packets/l2tp-reference.ts'
import { dialRequest, LNS_CONFIG, Pair } from '../support/pair.ts'

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const bytesOf = (hex: string) => new Uint8Array(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'))
const plain = ({ from, hex }: { from: string; hex: string }) => `${from} ${hex.replaceAll(/\s/g, '')}`

/** Tunnel and session id, then one magic number. */
function scripted(ids: number[], magic: number): Random {
  return {
    uint16: () => ids.shift() ?? 0,
    uint32: () => magic,
    bytes: count => new Uint8Array(count),
  }
}

function referencePair(): { pair: Pair; sent: string[] } {
  const sent: string[] = []
  const pair = new Pair({
    seed: 0,
    lnsRandom: scripted([1, 77], 0x77007700),
    clientRandom: scripted([1, 81], 0x81008100),
    lns: { ppp: { ...LNS_CONFIG.ppp, demandAuth: ['pap'] } },
    onOutput(side, output) {
      if (output.kind === 'transmit') sent.push(`${side.name} ${hexOf(output.bytes)}`)
    },
  })
  return { pair, sent }
}

test('the reference exchange is the golden one, octet by octet', () => {
  const { pair, sent } = referencePair()
  const ppp = {
    ...dialRequest().ppp,
    requestDns: false,
    authAs: { user: 'hb@hb', methods: ['pap'] },
  } as const
  const { session } = pair.dial({ ppp })
  pair.run(1000)
  assert.deepEqual(sent, REFERENCE_DIAL.map(plain))
  const [up] = pair.lns.eventsOf('sessionUp')
  assert.equal(up?.network.peerAddress, '172.16.1.51')
  assert.equal(up?.network.mtuBytes, 1500)
  assert.equal(up?.session.user, 'hb@hb')

  sent.length = 0
  pair.act(pair.client, (endpoint, now) => endpoint.hangUp(now, session, { cause: 'local-hangup' }))
  pair.run(2000)
  assert.deepEqual(sent, REFERENCE_HANG_UP.map(plain))
})

for (const golden of [...REFERENCE_DIAL, ...REFERENCE_HANG_UP]) {
  test(`says what is written beside it: ${name(golden)}`, () => {
    if ('ids' in golden) checkPpp(golden)
    else checkControl(golden)
  })
}

function name(golden: GoldenControl | GoldenPpp): string {
  const { from } = golden
  if (!('ids' in golden)) return `${from} ${golden.message?.type ?? 'ZLB'} Ns ${golden.header.ns}`
  const { code, identifier } = golden.control ?? {
    code: golden.pap?.kind,
    identifier: golden.pap?.identifier,
  }
  return `${from} ${golden.protocol} ${code} id ${identifier}`
}

function checkControl({ hex, header, message }: GoldenControl): void {
  const expected = message === undefined ? { ok: true, header } : { ok: true, header, message }
  assert.deepEqual(decodeControl(bytesOf(hex)), expected)
  assert.equal(hexOf(encodeControl(header, message)), hexOf(bytesOf(hex)))
}

function checkPpp({ hex, ids, protocol, control, pap }: GoldenPpp): void {
  const datagram = decodeHeader(bytesOf(hex))
  assert.ok(datagram.kind === 'data')
  assert.deepEqual([datagram.header.tunnelId, datagram.header.sessionId], ids)
  const frame = decodePppFrame(datagram.payload)
  assert.ok(frame !== undefined)
  assert.equal(frame.protocol, PPP[protocol])
  if (pap !== undefined) {
    assert.deepEqual(decodePap(frame.payload), pap)
    return
  }
  const packet = decodeCpPacket(frame.payload)
  assert.ok(packet !== undefined)
  assert.deepEqual([packet.code, packet.identifier], [control?.code, control?.identifier])
  const options = decodeOptions(packet.data)?.map(({ type, value }) => [type, hexOf(value)])
  assert.deepEqual(options, control?.options ?? [])
}
