/** The client as a host on the link: it asks for a router, makes an address of what that says, and believes nobody else. */
import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import type { PppConfig } from '../../../core/protocol/ppp/link-env.ts'
import {
  decodeRouterAdvertisement,
  encodeRouterAdvertisement,
  type RouterAdvertisement,
} from '../../../core/wire/icmpv6.ts'
import { icmpv6 } from '../../../core/wire/ip-udp.ts'
import { parseIpv6 } from '../../../core/wire/ipv6.ts'
import { decodePppFrame, encodePppFrame, PPP } from '../../../core/wire/ppp-frame.ts'
import { CLIENT_CONFIG, hex, LEASES, LNS_CONFIG, pair } from './harness.ts'

const LNS: PppConfig = { ...LNS_CONFIG, demandAuth: ['pap'], ipv6: true, dns6: ['2001:db8::53'] }
const CLIENT: PppConfig = { ...CLIENT_CONFIG, ipv6: true }
const at = (text: string) => parseIpv6(text) ?? assert.fail(text)
const ROUTER = 'fe80::1'
const UNCOMPRESSED = { acfc: false, pfc: false }

/** A pair whose IPv6 is open; `silent`: no packet of IPv6 comes from the LNS. */
function scene({ restoring = false, silent = false } = {}) {
  const { wire, lns, client } = pair({ config: LNS }, { config: CLIENT }, { restoring })
  if (silent)
    wire.tamper = (frame, from) =>
      from === lns && decodePppFrame(frame)?.protocol === PPP.IPV6 ? undefined : frame
  wire.start()
  wire.run(500)
  const packets = () =>
    client.sent.flatMap(bytes => {
      const frame = decodePppFrame(bytes)
      return frame?.protocol === PPP.IPV6 ? [frame.payload] : []
    })
  const solicitations = () => packets().filter(packet => packet[40] === 133)
  const hear = (
    more: Partial<RouterAdvertisement> = {},
    { source = ROUTER, hops = 255, spoil = 0, code = 0 } = {},
  ) => {
    const message = encodeRouterAdvertisement({ ...SAID, ...more })
    message[1] = code
    const packet = icmpv6({ source: at(source), destination: at('ff02::1') }, message)
    packet[7] = hops
    if (spoil > 0) packet[spoil] = (packet[spoil] ?? 0) ^ 1
    wire.inject(client, encodePppFrame(PPP.IPV6, packet, UNCOMPRESSED))
  }
  const ipv6 = () => client.network?.ipv6
  return { wire, lns, client, solicitations, hear, ipv6, packets }
}

const PREFIX = { bytes: at('2001:db8:7:7::'), length: 64, isAutonomous: true, validS: 3600, preferredS: 1800 }
const OTHER_PREFIX = { ...PREFIX, bytes: at('2001:db8:8:8::') }
const rdnss = (lifetimeS: number, ...servers: readonly string[]) => ({ lifetimeS, servers: servers.map(at) })
const SAID: RouterAdvertisement = {
  lifetimeS: 1800,
  mtuBytes: 1280,
  prefixes: [PREFIX],
  dns: [rdnss(1800, '2001:db8::5')],
}
const NOTHING = { prefixes: [], dns: [], mtuBytes: 0 } as const

const addressOf = (prefix: string, identifier: string) =>
  `${prefix}:${identifier
    .match(/.{4}/g)
    ?.map(group => Number.parseInt(group, 16).toString(16))
    .join(':')}`

/** Twice: as it is, and with both ends restored from JSON at every step. */
function testHost(
  name: string,
  run: (scenery: ReturnType<typeof scene>) => void,
  { silent = false } = {},
): void {
  test(name, () => run(scene({ silent })))
  test(`${name}; restored at every step`, () => run(scene({ silent, restoring: true })))
}

testHost('a client has an address of the prefix that the LNS leased, and its DNS', ({ client, ipv6 }) => {
  const { address, dns, localInterfaceId } = ipv6() ?? assert.fail('no IPv6')
  const prefix = LEASES['ipv6-prefix'].value.replace('::/64', '')
  assert.equal(address, addressOf(prefix, localInterfaceId))
  assert.deepEqual(dns, ['2001:db8::53'])
  assert.notEqual(client.network?.localAddress, '0.0.0.0')
})

testHost('where a router has spoken nobody is asked', ({ wire, solicitations }) => {
  wire.run(60_000)
  assert.equal(solicitations().length, 0)
})

testHost(
  'it asks when it has a network, three times, four seconds apart',
  ({ wire, solicitations }) => {
    for (const asked of [1, 2, 3, 3, 3]) {
      assert.equal(solicitations().length, asked)
      wire.run(4000)
    }
  },
  { silent: true },
)

testHost(
  'an answer is the last word, unless it is of who is no router',
  ({ wire, solicitations, hear }) => {
    hear({ lifetimeS: 0 })
    wire.run(4000)
    assert.equal(solicitations().length, 2)
    hear()
    wire.run(20_000)
    assert.equal(solicitations().length, 2)
  },
  { silent: true },
)

testHost(
  'a router that speaks after the last question is heard',
  ({ wire, hear, ipv6 }) => {
    wire.run(60_000)
    assert.deepEqual([ipv6() !== undefined, ipv6()?.address], [true, undefined])
    hear()
    assert.match(ipv6()?.address ?? '', /^2001:db8:7:7:/)
  },
  { silent: true },
)

test('it does not ask before IPv4 has had its say: nothing is forwarded until then', () => {
  const { wire, lns, client } = pair({ config: LNS }, { config: CLIENT })
  wire.tamper = (frame, from) => {
    const protocol = decodePppFrame(frame)?.protocol
    const isLate = from === lns && (protocol === PPP.IPCP || protocol === PPP.IPV6)
    return isLate && wire.now < 2500 ? undefined : frame
  }
  const asked = () => client.sent.filter(bytes => decodePppFrame(bytes)?.protocol === PPP.IPV6).length
  wire.start()
  wire.run(2500)
  assert.deepEqual([client.link.ipv6cp.state, client.network, asked()], ['opened', undefined, 0])
  wire.tamper = (frame, from) =>
    from === lns && decodePppFrame(frame)?.protocol === PPP.IPV6 ? undefined : frame
  wire.run(5000)
  assert.ok(client.network !== undefined)
  assert.ok(asked() > 0)
})

testHost(
  'what a router says later takes the place of what it said, prefix, servers and MTU',
  ({ hear, ipv6, client }) => {
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
    hear({ dns: [rdnss(0, '2001:db8::5'), rdnss(60, '2001:db8::6', '2001:db8::7')], mtuBytes: 1300 })
    assert.deepEqual([ipv6()?.dns, ipv6()?.mtuBytes], [['2001:db8::6', '2001:db8::7'], 1300])
    hear({ prefixes: [{ ...PREFIX, validS: 0, preferredS: 0 }], dns: [rdnss(0, '2001:db8::6')] })
    assert.deepEqual([ipv6()?.address, ipv6()?.dns], [undefined, undefined], 'taken back')
    assert.ok(client.network !== undefined, 'IPv4 is as it was')
  },
)

testHost('what it does not speak of stays for as long as was said', ({ wire, lns, hear, ipv6 }) => {
  lns.link.advertisements = undefined
  hear({ dns: [rdnss(200, '2001:db8::5')], prefixes: [{ ...PREFIX, validS: 400, preferredS: 0 }] })
  const before = JSON.stringify(ipv6())
  wire.run(100_000)
  hear(NOTHING)
  assert.equal(JSON.stringify(ipv6()), before)
  wire.run(101_000)
  assert.deepEqual([ipv6()?.dns, ipv6()?.address !== undefined], [undefined, true])
  wire.run(200_000)
  assert.equal(ipv6()?.address, undefined)
})

testHost('of several prefixes the address stays on one as long as it may', ({ hear, ipv6 }) => {
  const prefix = () => ipv6()?.address?.slice(0, '2001:db8:7:7'.length)
  hear({ prefixes: [{ ...PREFIX, preferredS: 0 }, OTHER_PREFIX] })
  assert.equal(prefix(), '2001:db8:8:8', 'what is not deprecated is better')
  hear({ prefixes: [PREFIX, OTHER_PREFIX] })
  assert.equal(prefix(), '2001:db8:8:8')
  hear({ prefixes: [{ ...OTHER_PREFIX, preferredS: 0 }] })
  assert.equal(prefix(), '2001:db8:8:8', 'deprecated, and there is no other')
  hear({ prefixes: [{ ...OTHER_PREFIX, preferredS: 0 }, PREFIX] })
  assert.equal(prefix(), '2001:db8:7:7')
  hear({ prefixes: [OTHER_PREFIX] })
  assert.equal(prefix(), '2001:db8:8:8', 'the network has another number')
})

testHost(
  'a router that leaves, and one that is not heard of again, takes the address along',
  ({ wire, lns, hear, ipv6, solicitations }) => {
    hear({ lifetimeS: 0 })
    assert.equal(ipv6()?.address, undefined)
    hear({ lifetimeS: 100 })
    assert.ok(ipv6()?.address !== undefined)
    // The real one would go on to speak.
    lns.link.advertisements = undefined
    const asked = solicitations().length
    wire.run(99_000)
    assert.ok(ipv6()?.address !== undefined)
    assert.equal(solicitations().length, asked)
    wire.run(2000)
    assert.deepEqual([ipv6()?.address, ipv6()?.dns, ipv6()?.mtuBytes], [undefined, undefined, undefined])
    wire.run(20_000)
    assert.equal(solicitations().length, asked + 3, 'and is asked whether it is there')
    hear({ prefixes: [{ ...PREFIX, validS: 10, preferredS: 10 }] })
    wire.run(11_000)
    assert.equal(ipv6()?.address, undefined, 'a prefix that is over, likewise')
  },
)

testHost('IPv6CP that ends takes the address along, and IPv4 stays', ({ wire, client, lns, ipv6 }) => {
  assert.ok(ipv6()?.address !== undefined)
  wire.tamper = (frame, from) => (from === lns ? undefined : frame)
  const terminate = Uint8Array.of(5, 99, 0, 4)
  wire.inject(client, encodePppFrame(PPP.IPV6CP, terminate, UNCOMPRESSED))
  wire.run(5000)
  assert.equal(ipv6(), undefined)
  assert.notEqual(client.network?.localAddress, '0.0.0.0')
  assert.deepEqual(
    [...client.timers.keys()].filter(name => name.startsWith('router')),
    [],
  )
  assert.equal(lns.downs + client.downs, 0)
})

testHost('who is not the router of the link is not believed', ({ hear, ipv6, client }) => {
  const before = JSON.stringify(ipv6())
  const drops = client.drops.length
  hear({}, { hops: 254 })
  hear({}, { source: '2001:db8::1' })
  hear({}, { spoil: 60 })
  hear({}, { code: 1 })
  assert.equal(JSON.stringify(ipv6()), before)
  assert.deepEqual(client.drops.slice(drops), Array(4).fill('ppp-malformed'), 'and is counted')
})

testHost('of what is no prefix for hosts no address is made', ({ hear, ipv6 }) => {
  hear({ prefixes: [{ ...PREFIX, validS: 0, preferredS: 0 }], lifetimeS: 0 })
  for (const prefix of [
    { ...PREFIX, length: 48 },
    { ...PREFIX, isAutonomous: false },
    { ...PREFIX, validS: 0, preferredS: 0 },
    { ...PREFIX, validS: 10, preferredS: 11 },
    { ...PREFIX, bytes: at('fe80::') },
    { ...PREFIX, bytes: at('ff02::') },
  ]) {
    hear({ prefixes: [prefix] })
    assert.ok(ipv6() !== undefined && ipv6()?.address === undefined, JSON.stringify(prefix))
  }
})

testHost('an MTU that the link does not have, or IPv6 does not, is passed over', ({ hear, ipv6, client }) => {
  const link = client.network?.mtuBytes ?? assert.fail('not up')
  hear()
  for (const mtuBytes of [link + 1, 1279, 0xffff_ffff, 0]) {
    hear({ mtuBytes })
    assert.equal(ipv6()?.mtuBytes, 1280)
  }
  hear({ mtuBytes: link })
  assert.equal(ipv6()?.mtuBytes, link)
})

test('golden: a solicitation (RFC 4861 4.1), and what radvd 2.19 and a Linux kernel say on ppp0', () => {
  const { client, packets, wire, ipv6 } = scene({ silent: true })
  const [solicitation = assert.fail('nobody is asked')] = packets()
  assert.match(
    Buffer.from(solicitation).toString('hex'),
    /^6000000000083afffe80000000000000.{16}ff0200000000000000000000000000028500....00000000$/,
  )
  const drops = client.drops.length
  // Multicast listener report, with a Router Alert.
  wire.inject(
    client,
    hex(`ff03 0057 60000000 0024 00 01 fe80000000000000e01d1716047cf9df ff020000000000000000000000000016
      3a 00 05020000 0100 8f00 7a79 0000 0001 04000000 ff020000000000000000000000000002`),
  )
  wire.inject(
    client,
    hex(`ff03 0057 600e8e5e 0050 3a ff fe80000000000000e01d1716047cf9df ff020000000000000000000000000001
      8600 7ee1 40 00 001e 00000000 00000000
      0304 40 c0 00000258 0000012c 00000000 20010db8007000000000000000000000
      1903 0000 0000000a 20010db8007100000000000000000053 0501 0000 00000564`),
  )
  assert.deepEqual(client.drops.slice(drops), [])
  const { address, dns, mtuBytes, localInterfaceId } = ipv6() ?? assert.fail('no IPv6')
  assert.deepEqual(
    [address, dns, mtuBytes],
    [addressOf('2001:db8:70:0', localInterfaceId), ['2001:db8:71::53'], 1380],
  )
  assert.equal((client.timers.get('router-lifetime') ?? 0) - wire.now, 10_000, 'of the servers')
})

testHost('its rules let IPv6 through to and from its address alone', ({ hear, client }) => {
  const ends = () =>
    client.ups.at(-1)?.policy.rules.map(({ direction, source, destination }) => ({
      direction,
      end: [source, destination].flatMap(prefixes => prefixes?.map(end => `${end.address}/${end.length}`)),
    }))
  hear()
  const { address } = client.network?.ipv6 ?? assert.fail('no IPv6')
  assert.deepEqual(ends(), [
    { direction: 'from-session', end: [undefined, '0.0.0.0/0', `${address}/128`] },
    { direction: 'to-session', end: ['0.0.0.0/0', `${address}/128`, undefined] },
  ])
  hear({ lifetimeS: 0 })
  assert.deepEqual(
    ends()?.map(({ end }) => end.filter(text => text !== undefined)),
    [['0.0.0.0/0'], ['0.0.0.0/0']],
  )
})

test('an advertisement is read as it was written, and whatever else comes is no advertisement', () => {
  const bytes16 = fc.uint8Array({ minLength: 16, maxLength: 16 })
  const said = fc.record(
    {
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
      dns: fc.array(
        fc.record(
          { lifetimeS: fc.nat(0xffffffff), servers: fc.array(bytes16, { maxLength: 3 }) },
          { noNullPrototype: true },
        ),
        { maxLength: 3 },
      ),
    },
    { noNullPrototype: true },
  )
  fc.assert(
    fc.property(said, given => {
      assert.deepEqual(decodeRouterAdvertisement(encodeRouterAdvertisement(given)), given)
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
