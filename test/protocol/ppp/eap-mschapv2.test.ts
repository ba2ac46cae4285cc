/** EAP-MSCHAPv2 as a client speaks it: it proves itself, and believes nobody who does not. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { ntPasswordHash } from '../../../core/crypto.ts'
import type { PppConfig } from '../../../core/protocol/ppp/link-env.ts'
import { authenticatorResponse, mschapv2Response } from '../../../core/protocol/ppp/mschapv2.ts'
import { decodeEap } from '../../../core/wire/eap.ts'
import { decodeEapMschapv2, EAP_MSCHAPV2, encodeEapMschapv2 } from '../../../core/wire/eap-mschapv2.ts'
import { decodePppFrame, PPP } from '../../../core/wire/ppp-frame.ts'
import { CP_CODE } from '../../../core/wire/ppp-options.ts'
import { CLIENT_CONFIG, PASSWORD, USER } from './harness.ts'
import { Peer } from './peer.ts'

const [REQUEST, SUCCESS, FAILURE] = [1, 3, 4]
const DECIDED_MS = 10
const CHALLENGE = Uint8Array.from({ length: 16 }, (_, at) => 0xa0 + at)
const octets = (text: string) => Uint8Array.from(Buffer.from(text))

/** A client that has answered our challenge. */
function answered() {
  const config: PppConfig = { ...CLIENT_CONFIG, authAs: { user: USER, methods: ['eap'] } }
  const peer = new Peer({ config }).openLcp('0304 c227')
  const request = (identifier: number, packet: Parameters<typeof encodeEapMschapv2>[0]) => {
    peer.send(PPP.EAP, REQUEST, identifier, Uint8Array.of(EAP_MSCHAPV2, ...encodeEapMschapv2(packet)))
    peer.wire.run(DECIDED_MS)
  }
  const said = () => {
    const payload = decodePppFrame(peer.us.sent.at(-1) ?? new Uint8Array())?.payload
    const packet = payload === undefined ? undefined : decodeEap(payload)
    assert.ok(packet?.kind === 'response' && packet.type === EAP_MSCHAPV2)
    const { identifier, data } = packet
    return { identifier, packet: decodeEapMschapv2(data) ?? assert.fail('not to be read') }
  }
  request(6, { kind: 'challenge', identifier: 77, challenge: CHALLENGE, name: octets('lns') })
  const { packet: response } = said()
  assert.ok(response.kind === 'response')
  const { peerChallenge, ntResponse, name } = response
  const challenges = { userName: USER, authenticatorChallenge: CHALLENGE, peerChallenge }
  const ntHash = ntPasswordHash(PASSWORD)
  const proof = { ...challenges, identifier: 77, ntResponse }
  return {
    peer,
    request,
    said,
    name,
    challenges,
    ntHash,
    ntResponse,
    signed: authenticatorResponse(ntHash, proof),
  }
}

const phase = ({ us }: Peer) => us.link.phase

test('a client proves itself, lets the server prove itself, and takes its Success', () => {
  const { peer, request, said, name, challenges, ntHash, ntResponse, signed } = answered()
  assert.deepEqual(ntResponse, mschapv2Response(ntHash, challenges))
  assert.equal(Buffer.from(name).toString(), USER)
  request(7, { kind: 'success', identifier: 77, message: octets(`${signed} M=hello`) })
  assert.deepEqual(said(), { identifier: 7, packet: { kind: 'success-noted' } })
  // Our answer was lost.
  request(7, { kind: 'success', identifier: 77, message: octets(`${signed} M=hello`) })
  assert.deepEqual(said(), { identifier: 7, packet: { kind: 'success-noted' } })
  peer.send(PPP.EAP, SUCCESS, 7)
  assert.equal(phase(peer), 'network')
})

test('a server that does not know the password is an impostor', () => {
  const { peer, request } = answered()
  request(7, { kind: 'success', identifier: 77, message: octets(`S=${'0'.repeat(40)} M=welcome`) })
  assert.equal(peer.us.link.ending?.cause, 'auth-failed')
  assert.match(peer.us.link.ending?.text ?? '', /impostor/)
})

test('a Success, or IPCP, of a server that has proved nothing is not believed', () => {
  const { peer } = answered()
  peer.send(PPP.EAP, SUCCESS, 6)
  peer.send(PPP.IPCP, CP_CODE.CONFIGURE_REQUEST, 1, '0306 ac100101')
  assert.deepEqual([phase(peer), peer.us.drops], ['authenticate', ['ppp-stale', 'ppp-phase']])
})

test('a refusal is noted, and told in words', () => {
  const { peer, request } = answered()
  request(7, { kind: 'failure', identifier: 77, message: octets('E=647 R=0 C=00 V=3 M=see the desk') })
  assert.equal(peer.us.sent.map(frame => decodePppFrame(frame)?.protocol).includes(PPP.EAP), true)
  assert.equal(peer.us.link.ending?.text, 'the account is disabled: see the desk')
})

test('a Failure of EAP ends it too', () => {
  const { peer } = answered()
  peer.send(PPP.EAP, FAILURE, 6)
  assert.equal(peer.us.link.ending?.cause, 'auth-failed')
})

test('a challenge that comes again gets the same answer; what is none, or has no place, gets nothing', () => {
  const { peer, request, said } = answered()
  const first = said()
  request(6, { kind: 'challenge', identifier: 77, challenge: CHALLENGE, name: octets('lns') })
  assert.deepEqual(said(), first)
  const before = peer.us.sent.length
  for (const data of [[], [1], [1, 77, 0, 5, 16], [9, 0, 0, 4], [2, 77, 0, 4]])
    peer.send(PPP.EAP, REQUEST, 8, Uint8Array.of(EAP_MSCHAPV2, ...data))
  assert.equal(peer.us.sent.length, before)
  assert.deepEqual(new Set(peer.us.drops), new Set(['ppp-malformed']))
  const config: PppConfig = { ...CLIENT_CONFIG, authAs: { user: USER, methods: ['eap'] } }
  const early = new Peer({ config }).openLcp('0304 c227')
  const success = encodeEapMschapv2({ kind: 'success', identifier: 1, message: octets('S=') })
  early.send(PPP.EAP, REQUEST, 1, Uint8Array.of(EAP_MSCHAPV2, ...success))
  assert.deepEqual(early.us.drops, ['ppp-malformed'])
})
