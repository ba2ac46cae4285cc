/** The client as a host on the link: it asks for a router, makes an address of what that says, and believes nobody else. */
import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { solicit } from '../../../core/protocol/ppp/host.ts'
import type { PppConfig } from '../../../core/protocol/ppp/link-env.ts'
import {
  decodeRouterAdvertisement,
  encodeRouterAdvertisement,
  type RouterAdvertisement,
} from '../../../core/wire/icmpv6.ts'
import { icmpv6 } from '../../../core/wire/ip-udp.ts'
import { parseIpv6 } from '../../../core/wire/ipv6.ts'
import { decodePppFrame, encodePppFrame, PPP } from '../../../core/wire/ppp-frame.ts'
import { CLIENT_CONFIG, LEASES, LNS_CONFIG, pair } from './harness.ts'

const LNS: PppConfig = { ...LNS_CONFIG, demandAuth: ['pap'], ipv6: true, dns6: ['2001:db8::53'] }
const CLIENT: PppConfig = { ...CLIENT_CONFIG, ipv6: true }
const at = (text: string) => parseIpv6(text) ?? assert.fail(text)
const ROUTER = 'fe80::1'
const UNCOMPRESSED = { acfc: false, pfc: false }

/** A pair whose IPv6 is open. */
function scene({ restoring = false } = {}) {
  const { wire, lns, client } = pair({ config: LNS }, { config: CLIENT }, { restoring })
  wire.start()
  wire.run(500)
  const packets = () =>
    client.sent.flatMap(bytes => {
      const frame = decodePppFrame(bytes)
      return frame?.protocol === PPP.IPV6 ? [frame.payload] : []
    })
  const solicitations = () => packets().filter(packet => packet[40] === 133)
  const hear = (more: Partial<RouterAdvertisement> = {}, { source = ROUTER, hops = 255, spoil = 0 } = {}) => {
    const message = encodeRouterAdvertisement({ ...SAID, ...more })
    const packet = icmpv6({ source: at(source), destination: at('ff02::1') }, message)
    packet[7] = hops
    if (spoil > 0) packet[spoil] = (packet[spoil] ?? 0) ^ 1
    wire.inject(client, encodePppFrame(PPP.IPV6, packet, UNCOMPRESSED))
  }
  const ipv6 = () => client.network?.ipv6
  return { wire, lns, client, solicitations, hear, ipv6, packets }
}

const PREFIX = { bytes: at('2001:db8:7:7::'), length: 64, isAutonomous: true, validS: 3600, preferredS: 1800 }
const SAID: RouterAdvertisement = {
  lifetimeS: 1800,
  mtuBytes: 1280,
  prefixes: [PREFIX],
  dns: [at('2001:db8::5')],
}

const addressOf = (prefix: string, identifier: string) =>
  `${prefix}:${identifier
    .match(/.{4}/g)
    ?.map(group => Number.parseInt(group, 16).toString(16))
    .join(':')}`

for (const restoring of [false, true])
  test(`a client has an address of the prefix that the LNS leased, and its DNS${restoring ? ', restored at every step' : ''}`, () => {
    const { client, ipv6 } = scene({ restoring })
    const { address, dns, localInterfaceId } = ipv6() ?? assert.fail('no IPv6')
    const prefix = LEASES['ipv6-prefix'].value.replace('::/64', '')
    assert.equal(address, addressOf(prefix, localInterfaceId))
    assert.deepEqual(dns, ['2001:db8::53'])
    assert.notEqual(client.network?.localAddress, '0.0.0.0')
  })

test('it asks three times, four seconds apart, and no more once a router has spoken', () => {
  const { wire, client, solicitations, lns, hear } = scene()
  assert.equal(solicitations().length, 1, 'it was answered')
  wire.run(20_000)
  assert.equal(solicitations().length, 1)
  const askAgain = () => {
    client.link.host = { solicitations: 0 }
    wire.act(client, env => solicit(client.link, env))
  }
  lns.link.advertisements = undefined
  askAgain()
  for (const asked of [2, 3, 4, 4]) {
    assert.equal(solicitations().length, asked)
    wire.run(4000)
  }
  askAgain()
  hear()
  wire.run(20_000)
  assert.equal(solicitations().length, 5)
})

test('what a router says later takes the place of what it said, prefix, servers and MTU', () => {
  const { hear, ipv6, client } = scene()
  const before = client.ups.length
  hear()
  const { address, dns, mtuBytes, localInterfaceId } = ipv6() ?? assert.fail()
  assert.deepEqual(
    [address, dns, mtuBytes],
    [addressOf('2001:db8:7:7', localInterfaceId), ['2001:db8::5'], 1280],
  )
  assert.equal(client.ups.length, before + 1)
  hear()
  assert.equal(client.ups.length, before + 1, 'the same again is no news')
  hear({ prefixes: [], dns: [], mtuBytes: 0 })
  assert.deepEqual([ipv6()?.address, ipv6()?.dns, ipv6()?.mtuBytes], [undefined, undefined, undefined])
  assert.ok(client.network !== undefined, 'IPv4 is as it was')
})

test('a router that leaves, and one that is not heard of again, takes the address along', () => {
  const { wire, lns, hear, ipv6 } = scene()
  hear({ lifetimeS: 0 })
  assert.equal(ipv6()?.address, undefined)
  hear({ lifetimeS: 100 })
  assert.ok(ipv6()?.address !== undefined)
  // The real one would go on to speak.
  lns.link.advertisements = undefined
  wire.run(99_000)
  assert.ok(ipv6()?.address !== undefined)
  wire.run(2000)
  assert.equal(ipv6()?.address, undefined)
  hear({ prefixes: [{ ...PREFIX, validS: 10 }] })
  wire.run(11_000)
  assert.equal(ipv6()?.address, undefined, 'a prefix that is over, likewise')
})

test('who is not the router of the link is not believed, nor a prefix of which no address can be made', () => {
  const { hear, ipv6 } = scene()
  const before = JSON.stringify(ipv6())
  hear({}, { hops: 254 })
  hear({}, { source: '2001:db8::1' })
  hear({}, { spoil: 60 })
  assert.equal(JSON.stringify(ipv6()), before)
  for (const prefix of [
    { ...PREFIX, length: 48 },
    { ...PREFIX, isAutonomous: false },
    { ...PREFIX, validS: 0 },
  ]) {
    hear({ prefixes: [prefix] })
    assert.equal(ipv6()?.address, undefined)
  }
})

test('without a prefix a client has IPv6 of the link alone, and IPv4', () => {
  const { hear, ipv6, client } = scene()
  hear({ prefixes: [] })
  assert.ok(ipv6() !== undefined && ipv6()?.address === undefined)
  assert.notEqual(client.network?.localAddress, '0.0.0.0')
})

test('an advertisement is read as it was written, and whatever else comes is no advertisement', () => {
  const bytes16 = fc.uint8Array({ minLength: 16, maxLength: 16 })
  const said = fc.record({
    lifetimeS: fc.nat(0xffff),
    mtuBytes: fc.nat(9000),
    prefixes: fc.array(
      fc.record(
        {
          bytes: bytes16,
          length: fc.nat(128),
          isAutonomous: fc.boolean(),
          validS: fc.nat(0xffffffff),
          preferredS: fc.nat(0xffffffff),
        },
        { noNullPrototype: true },
      ),
      { maxLength: 3 },
    ),
    dns: fc.array(bytes16, { maxLength: 3 }),
  })
  fc.assert(
    fc.property(said, given => {
      const { dns, ...rest } = decodeRouterAdvertisement(encodeRouterAdvertisement(given)) ?? assert.fail()
      assert.deepEqual(rest, {
        lifetimeS: given.lifetimeS,
        mtuBytes: given.mtuBytes,
        prefixes: given.prefixes,
      })
      assert.deepEqual(dns, given.lifetimeS === 0 ? [] : given.dns)
    }),
  )
  fc.assert(
    fc.property(said, fc.nat(), fc.nat(255), fc.nat(), (given, place, octet, cut) => {
      const message = encodeRouterAdvertisement(given)
      message[place % message.length] = octet
      decodeRouterAdvertisement(message)
      decodeRouterAdvertisement(message.subarray(0, cut % (message.length + 1)))
    }),
  )
})

test('whatever comes to the host of a link, nothing is thrown', () => {
  const { wire, client } = scene()
  const packet = icmpv6({ source: at(ROUTER), destination: at('ff02::1') }, encodeRouterAdvertisement(SAID))
  fc.assert(
    fc.property(fc.nat(), fc.nat(255), fc.nat(), (place, octet, cut) => {
      const damaged = packet.slice(0, cut % (packet.length + 1))
      if (damaged.length > 0) damaged[place % damaged.length] = octet
      wire.inject(client, encodePppFrame(PPP.IPV6, damaged, UNCOMPRESSED))
    }),
  )
})
