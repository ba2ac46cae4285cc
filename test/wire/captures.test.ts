/** Whole calls between real peers, as test/interop/record.ts found them on the wire. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { md5, ntPasswordHash } from '../../core/crypto.ts'
import { authenticatorResponse, mschapv2Response } from '../../core/protocol/ppp/mschapv2.ts'
import {
  type ControlMessage,
  decodeControl,
  encodeControl,
  MESSAGES,
  type MessageOf,
} from '../../core/wire/control-message.ts'
import { decodeEap, EAP_TYPE, type EapPacket } from '../../core/wire/eap.ts'
import { decodeHeader, encodeDataDatagram } from '../../core/wire/l2tp-header.ts'
import {
  type ChapPacket,
  decodeChap,
  decodePap,
  decodeText,
  encodeText,
  type PapPacket,
} from '../../core/wire/ppp-auth.ts'
import { decodePppFrame, encodePppFrame, PPP } from '../../core/wire/ppp-frame.ts'
import { ROOT } from '../support/imports.ts'

interface Capture {
  readonly about: {
    readonly auth: 'pap' | 'chap' | 'mschap-v2' | 'eap'
    readonly secret: string
    readonly user: string
    readonly password: string
  }
  readonly packets: readonly { readonly from: 'client' | 'lns'; readonly hex: string }[]
}

const FOLDER = join(ROOT, 'test/packets/captures')
const WHOLE = { acfc: false, pfc: false }

for (const file of readdirSync(FOLDER).filter(name => name.endsWith('.json'))) {
  const { about, packets }: Capture = JSON.parse(readFileSync(join(FOLDER, file), 'utf8'))
  const datagrams = packets.map(({ hex }) => new Uint8Array(Buffer.from(hex, 'hex')))

  test(`${file}: each datagram is read, and means the same when it is written again`, () => {
    assert.deepEqual(
      datagrams.flatMap(datagram => controlMessage(datagram)?.type ?? []),
      ['SCCRQ', 'SCCRP', 'SCCCN', 'ICRQ', 'ICRP', 'ICCN', 'StopCCN'],
    )
    for (const datagram of datagrams) {
      const decoded = decodeHeader(datagram)
      if (decoded.kind === 'control') {
        const control = decodeControl(datagram)
        assert.ok(control.ok)
        assert.deepEqual(decodeControl(encodeControl(control.header, control.message)), control)
      } else {
        assert.ok(decoded.kind === 'data')
        const frame = decodePppFrame(decoded.payload)
        assert.ok(frame)
        const again = encodeDataDatagram(decoded.header, encodePppFrame(frame.protocol, frame.payload, WHOLE))
        assert.deepEqual(again, datagram)
      }
    }
  })

  if (about.secret !== '')
    test(`${file}: both ends prove the tunnel secret`, () => {
      const [sccrq, sccrp, scccn] = [one('SCCRQ'), one('SCCRP'), one('SCCCN')]
      assert.deepEqual(sccrp.avps.challengeResponse, tunnelProof('SCCRP', sccrq.avps.challenge))
      assert.deepEqual(scccn.avps.challengeResponse, tunnelProof('SCCCN', sccrp.avps.challenge))
    })

  const proofs: Readonly<Record<Capture['about']['auth'], () => void>> = {
    pap() {
      const request = first(pap, 'request')
      assert.deepEqual([request.user, request.password].map(decodeText), [about.user, about.password])
      assert.equal(first(pap, 'ack').identifier, request.identifier)
    },
    chap() {
      const challenge = first(chap, 'challenge')
      const response = first(chap, 'response')
      assert.equal(decodeText(response.name), about.user)
      const identifier = Uint8Array.of(response.identifier)
      assert.deepEqual(response.value, md5(identifier, encodeText(about.password), challenge.value))
      assert.equal(first(chap, 'success').identifier, challenge.identifier)
    },
    'mschap-v2'() {
      const challenge = first(chap, 'challenge')
      const response = first(chap, 'response')
      const said = {
        identifier: response.identifier,
        userName: about.user,
        authenticatorChallenge: challenge.value,
        peerChallenge: response.value.subarray(0, 16),
        ntResponse: response.value.subarray(24, 48),
      }
      const hash = ntPasswordHash(about.password)
      assert.equal(decodeText(response.name), about.user)
      assert.deepEqual(mschapv2Response(hash, said), said.ntResponse)
      const { message } = first(chap, 'success')
      assert.ok(decodeText(message).startsWith(authenticatorResponse(hash, said)), 'the server proves itself')
    },
    eap() {
      const [asked, identity, challenge, response] = datagrams.flatMap(datagram => eap(datagram) ?? [])
      assert.deepEqual([asked?.kind, identity?.kind], ['request', 'response'])
      assert.ok(identity?.kind === 'response' && decodeText(identity.data) === about.user)
      assert.ok(challenge?.kind === 'request' && response?.kind === 'response')
      assert.deepEqual([challenge.type, response.type], [EAP_TYPE.MD5_CHALLENGE, EAP_TYPE.MD5_CHALLENGE])
      const [length = 0] = challenge.data
      const expected = md5(
        Uint8Array.of(challenge.identifier),
        encodeText(about.password),
        challenge.data.subarray(1, 1 + length),
      )
      assert.deepEqual(response.data.subarray(1, 17), expected)
      assert.ok(first(eap, 'success'))
    },
  }
  test(`${file}: the user proves the password with ${about.auth}`, proofs[about.auth])

  function one<T extends ControlMessage['type']>(type: T): MessageOf<T> {
    const message = datagrams.map(controlMessage).find(found => found?.type === type)
    assert.ok(message, type)
    return message as MessageOf<T>
  }

  function tunnelProof(carrier: 'SCCRP' | 'SCCCN', challenge: Uint8Array | undefined): Uint8Array {
    assert.ok(challenge, 'a challenge')
    return md5(Uint8Array.of(MESSAGES[carrier].number), encodeText(about.secret), challenge)
  }

  function pap(datagram: Uint8Array): PapPacket | undefined {
    const payload = payloadOf(datagram, PPP.PAP)
    return payload && decodePap(payload)
  }

  function chap(datagram: Uint8Array): ChapPacket | undefined {
    const payload = payloadOf(datagram, PPP.CHAP)
    return payload && decodeChap(payload)
  }

  function eap(datagram: Uint8Array): EapPacket | undefined {
    const payload = payloadOf(datagram, PPP.EAP)
    return payload && decodeEap(payload)
  }

  function first<P extends { readonly kind: string }, K extends P['kind']>(
    decode: (datagram: Uint8Array) => P | undefined,
    kind: K,
  ): P & { readonly kind: K } {
    const packet = datagrams.map(decode).find(found => found?.kind === kind)
    assert.ok(packet, kind)
    return packet as P & { readonly kind: K }
  }
}

function controlMessage(datagram: Uint8Array): ControlMessage | undefined {
  const control = decodeControl(datagram)
  return control.ok ? control.message : undefined
}

function payloadOf(datagram: Uint8Array, protocol: number): Uint8Array | undefined {
  const decoded = decodeHeader(datagram)
  const frame = decoded.kind === 'data' ? decodePppFrame(decoded.payload) : undefined
  return frame?.protocol === protocol ? frame.payload : undefined
}
