/** Calls with real clients and servers, played again: given the same ids and challenges, Burrow says what it said then, octet by octet. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { md5 } from '../../core/crypto.ts'
import type { Random } from '../../core/ports.ts'
import { DEFAULT_L2TP } from '../../core/protocol/config.ts'
import type { AuthMethod, Verdict } from '../../core/protocol/outputs.ts'
import { DEFAULT_PPP } from '../../core/protocol/ppp/config.ts'
import type { PppConfig } from '../../core/protocol/ppp/link-env.ts'
import { createProof, mschapv2SuccessOf } from '../../core/runtime/proof.ts'
import { decodeControl } from '../../core/wire/control-message.ts'
import { decodeEap, EAP_TYPE } from '../../core/wire/eap.ts'
import { decodeHeader } from '../../core/wire/l2tp-header.ts'
import { decodeChap, encodeText } from '../../core/wire/ppp-auth.ts'
import { decodePppFrame, PPP } from '../../core/wire/ppp-frame.ts'
import {
  CP_CODE,
  decodeCpPacket,
  decodeOptions,
  IPV6CP_OPTION,
  LCP_OPTION,
} from '../../core/wire/ppp-options.ts'
import { ROOT } from '../support/imports.ts'
import { Bench, type Deciding } from '../support/scripted-peer.ts'

interface Replay {
  readonly about: {
    /** Which side it was. */
    readonly burrow: 'lns' | 'client'
    readonly auth: AuthMethod
    readonly secret: string
    readonly user: string
    readonly password: string
    readonly ipv6?: boolean
  }
  readonly packets: readonly {
    readonly from: 'client' | 'lns'
    readonly atMs: number
    readonly hex: string
  }[]
}

const FOLDER = join(ROOT, 'test/packets/replays')
const PEER = { address: '10.9.0.11', port: 1701 } as const

for (const file of readdirSync(FOLDER).filter(name => name.endsWith('.json'))) {
  test(`${file}: Burrow says again what it said to the real peer`, () => {
    const { about, packets }: Replay = JSON.parse(readFileSync(join(FOLDER, file), 'utf8'))
    const ours = packets.filter(({ from }) => from === about.burrow)
    const said = ours.map(({ hex }) => octets(hex))
    const dials = about.burrow === 'client'
    const ppp: PppConfig = dials
      ? { ...DEFAULT_PPP.lac, ipv6: about.ipv6 === true, authAs: { user: about.user, methods: [about.auth] } }
      : { ...DEFAULT_PPP.lns, localAddress: '172.16.1.1', demandAuth: [about.auth] }
    const secrets = about.secret === '' ? [] : [{ name: 'lab', secret: about.secret }]
    const bench = new Bench({
      config: { hostName: hostNameIn(said), secrets, l2tp: DEFAULT_L2TP, ppp },
      random: drawnAgain(said),
      decide: deciding(about, said),
    })
    const peer = bench.peer(PEER)
    const secretName = secrets[0]?.name
    if (dials)
      bench.act((endpoint, now) =>
        endpoint.dial(now, { path: peer.path, ppp, ...(secretName !== undefined && { secretName }) }),
      )
    const hangUpAtMs = dials ? ours.find(({ hex }) => isTerminateRequest(octets(hex)))?.atMs : undefined
    for (const { from, atMs, hex } of packets) {
      bench.advance(Math.max(0, atMs - bench.now))
      if (from !== about.burrow) peer.raw(octets(hex))
      else if (atMs === hangUpAtMs) hangUp(bench)
    }
    assert.deepEqual(peer.datagrams.map(toHex), said.map(toHex))
    const [up] = bench.eventsOf('sessionUp')
    const { localAddress, peerAddress } = up?.network ?? {}
    const [down] = bench.eventsOf('sessionDown')
    if (dials) {
      assert.deepEqual([localAddress?.startsWith('10.70.1.'), peerAddress], [true, '10.70.0.1'])
      assert.equal(down?.reason.cause, 'local-hangup')
      const { address, dns, mtuBytes } = bench.eventsOf('networkChanged').at(-1)?.network.ipv6 ?? {}
      assert.deepEqual(
        [address?.slice(0, 14), dns, mtuBytes],
        about.ipv6 === true
          ? ['2001:db8:70:0:', ['2001:db8:71::53'], 1380]
          : [undefined, undefined, undefined],
      )
    } else {
      assert.deepEqual(
        [up?.session.user, localAddress, peerAddress],
        [about.user, '172.16.1.1', '172.16.1.2'],
      )
      assert.equal(down?.reason.cause, 'tunnel-closed')
    }
  })
}

function hangUp(bench: Bench): void {
  for (const { session } of bench.endpoint.sessions())
    bench.act((endpoint, now) => endpoint.hangUp(now, session.key, { cause: 'local-hangup' }))
}

/** The users of a server that has one, with the Request of its EAP method as it was; of a client, its password. */
function deciding({ user, password }: Replay['about'], said: readonly Uint8Array[]): Deciding {
  const deny: Verdict = { kind: 'deny', reason: 'wrong password' }
  const request = said
    .flatMap(datagram => payloadOf(datagram, PPP.EAP) ?? [])
    .find(packet => decodeEap(packet)?.kind === 'request' && packet[4] === EAP_TYPE.MD5_CHALLENGE)
  return ask => {
    switch (ask.kind) {
      case 'admitTunnel':
      case 'admitSession':
        return { kind: 'accept' }
      case 'authenticate': {
        if (ask.user !== user) return deny
        if (ask.proof.method !== 'eap') {
          const proof = createProof(ask.proof)
          if (!proof.verify(password)) return deny
          const mschapv2 = mschapv2SuccessOf(proof)
          return { kind: 'accept', grant: { user }, ...(mschapv2 !== undefined && { mschapv2 }) }
        }
        assert.ok(request, 'a Request was recorded')
        if (ask.continued === undefined) return { kind: 'continue', plugin: 'p', reply: request, state: '0' }
        const expected = md5(request.subarray(1, 2), encodeText(password), request.subarray(6, 22))
        return toHex(ask.proof.packet.subarray(6, 22)) === toHex(expected)
          ? { kind: 'accept', grant: { user } }
          : deny
      }
      case 'authorize':
        return { kind: 'accept', grant: ask.grant }
      case 'assignAddress':
        return { kind: 'accept', lease: { owner: 'pool', kind: 'ipv4', value: '172.16.1.2', id: '2' } }
      case 'decidePolicy':
        return { kind: 'accept', policy: { zone: 'dmz', rules: [] } }
      case 'ownSecret':
        return { kind: 'accept', secret: password }
    }
  }
}

/** What was drawn then, as far as it can be seen: ids, challenges, the magic number, the interface identifier. */
function drawnAgain(said: readonly Uint8Array[]): Random {
  const ids: number[] = []
  const challenges: Uint8Array[] = []
  let magic = 0
  let identifier: Uint8Array | undefined
  for (const datagram of said) {
    const control = decodeControl(datagram)
    const message = control.ok ? control.message : undefined
    if (message?.type === 'SCCRQ' || message?.type === 'SCCRP') {
      ids.push(message.avps.assignedTunnelId)
      if (message.avps.challenge !== undefined) challenges.push(message.avps.challenge)
    }
    if (message?.type === 'ICRQ' || message?.type === 'ICRP') ids.push(message.avps.assignedSessionId)
    const chap = decodeChap(payloadOf(datagram, PPP.CHAP) ?? new Uint8Array())
    if (chap?.kind === 'challenge') {
      ids.push(chap.identifier)
      challenges.push(chap.value)
    }
    // Of MS-CHAPv2: what the peer's own challenge is.
    if (chap?.kind === 'response') challenges.push(chap.value.subarray(0, 16))
    const eap = payloadOf(datagram, PPP.EAP)
    if (eap?.[4] === EAP_TYPE.IDENTITY) ids.push(eap[1] ?? 0)
    magic ||= magicOf(payloadOf(datagram, PPP.LCP))
    identifier ??= identifierOf(payloadOf(datagram, PPP.IPV6CP))
  }
  return {
    uint16: () => ids.shift() ?? 0,
    uint32: () => magic,
    bytes: count =>
      (count === 16 ? challenges.shift() : count === 8 ? identifier : undefined) ?? new Uint8Array(count),
  }
}

function hostNameIn(said: readonly Uint8Array[]): string {
  for (const datagram of said) {
    const control = decodeControl(datagram)
    const message = control.ok ? control.message : undefined
    if (message?.type === 'SCCRQ' || message?.type === 'SCCRP') return message.avps.hostName
  }
  return assert.fail('neither SCCRQ nor SCCRP')
}

function isTerminateRequest(datagram: Uint8Array): boolean {
  return decodeCpPacket(payloadOf(datagram, PPP.LCP) ?? new Uint8Array())?.code === CP_CODE.TERMINATE_REQUEST
}

function magicOf(lcp: Uint8Array | undefined): number {
  const packet = lcp && decodeCpPacket(lcp)
  if (packet?.code !== CP_CODE.CONFIGURE_REQUEST) return 0
  const option = decodeOptions(packet.data)?.find(({ type }) => type === LCP_OPTION.MAGIC_NUMBER)
  return option === undefined ? 0 : Buffer.from(option.value).readUInt32BE()
}

function identifierOf(ipv6cp: Uint8Array | undefined): Uint8Array | undefined {
  const packet = ipv6cp && decodeCpPacket(ipv6cp)
  if (packet?.code !== CP_CODE.CONFIGURE_REQUEST) return undefined
  return decodeOptions(packet.data)?.find(({ type }) => type === IPV6CP_OPTION.INTERFACE_IDENTIFIER)?.value
}

function payloadOf(datagram: Uint8Array, protocol: number): Uint8Array | undefined {
  const decoded = decodeHeader(datagram)
  const frame = decoded.kind === 'data' ? decodePppFrame(decoded.payload) : undefined
  return frame?.protocol === protocol ? frame.payload : undefined
}

const octets = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'))
const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
