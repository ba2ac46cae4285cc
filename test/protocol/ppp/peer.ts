/** A peer that does exactly what a test says: frames by hand against one link of ours. */
import assert from 'node:assert/strict'
import { decodePppFrame, encodePppFrame, PPP } from '../../../core/wire/ppp-frame.ts'
import {
  CP_CODE,
  type CpPacket,
  decodeCpPacket,
  decodeOptions,
  encodeCpPacket,
} from '../../../core/wire/ppp-options.ts'
import { alone, hex, type Station, type StationOptions, type Wire } from './harness.ts'

export class Peer {
  readonly wire: Wire
  readonly us: Station
  #read = 0

  constructor(options: Partial<StationOptions> = {}) {
    const { wire, lns } = alone(options)
    this.wire = wire
    this.us = lns
    wire.start()
  }

  send(protocol: number, code: number, identifier: number, data: string | Uint8Array = ''): void {
    const bytes = typeof data === 'string' ? hex(data) : data
    this.sendRaw(encodePppFrame(protocol, encodeCpPacket({ code, identifier, data: bytes }), FULL))
  }

  sendRaw(frame: string | Uint8Array): void {
    this.wire.inject(this.us, typeof frame === 'string' ? hex(frame) : frame)
  }

  /** What we negotiated since the last call; packets of IP are none of it. */
  heard(): { protocol: number; packet: CpPacket }[] {
    const frames = this.us.sent.slice(this.#read).map(decodePppFrame)
    this.#read = this.us.sent.length
    return frames.flatMap(frame => {
      if (frame?.protocol === PPP.IPV4 || frame?.protocol === PPP.IPV6) return []
      const packet = frame && decodeCpPacket(frame.payload)
      assert.ok(frame !== undefined && packet !== undefined, 'we send only what can be read')
      return [{ protocol: frame.protocol, packet }]
    })
  }

  /** The only packet that we sent since the last call, as protocol, code, identifier, data in hex. */
  heardOne(): { protocol: number; code: number; identifier: number; data: string } {
    const packets = this.heard()
    assert.equal(packets.length, 1, `sent ${JSON.stringify(packets)}`)
    const [{ protocol, packet } = assert.fail('nothing sent')] = packets
    return { protocol, ...packet, data: Buffer.from(packet.data).toString('hex') }
  }

  /** Acknowledges our last Configure-Request of `protocol`. */
  acknowledge(protocol: number): void {
    const request = this.lastRequest(protocol)
    this.send(protocol, CP_CODE.CONFIGURE_ACK, request.identifier, request.data)
  }

  lastRequest(protocol: number): CpPacket {
    const requests = this.us.sent.flatMap(bytes => {
      const frame = decodePppFrame(bytes)
      const packet = frame?.protocol === protocol ? decodeCpPacket(frame.payload) : undefined
      return packet?.code === CP_CODE.CONFIGURE_REQUEST ? [packet] : []
    })
    return requests.at(-1) ?? assert.fail(`no Configure-Request of protocol ${protocol}`)
  }

  /** The option types that our last request asks for. */
  requestedTypes(protocol: number): number[] {
    return (decodeOptions(this.lastRequest(protocol).data) ?? []).map(option => option.type)
  }

  /** LCP to Opened, with the peer's `options` acknowledged. */
  openLcp(options = ''): this {
    this.acknowledge(PPP.LCP)
    this.send(PPP.LCP, CP_CODE.CONFIGURE_REQUEST, 1, options)
    assert.equal(this.us.link.lcp.state, 'opened')
    return this
  }

  /** Opens LCP and proves itself by PAP: for an LNS that demands PAP. */
  enterNetwork(user = 'hb@hb', password = 'admin@123'): this {
    return this.openLcp().logIn(user, password)
  }

  logIn(user = 'hb@hb', password = 'admin@123'): this {
    this.sendPap(user, password)
    this.wire.run(100)
    assert.equal(this.us.link.phase, 'network')
    return this
  }

  sendPap(user: string, password: string, identifier = 1): void {
    const field = (text: string) => [Buffer.byteLength(text), ...Buffer.from(text)]
    this.send(PPP.PAP, 1, identifier, Uint8Array.from([...field(user), ...field(password)]))
  }

  /** IPCP to Opened with the leased address. */
  openIpcp(): this {
    this.acknowledge(PPP.IPCP)
    this.send(PPP.IPCP, CP_CODE.CONFIGURE_REQUEST, 1, '03 06 ac100133')
    assert.equal(this.us.link.ipcp.state, 'opened')
    return this
  }
}

const FULL = { acfc: false, pfc: false }
