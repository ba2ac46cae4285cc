/** What every plugin that answers `decidePolicy` must do. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import {
  ACTION,
  compileRules,
  HAS_PORTS,
  NO_SELECTOR,
  NO_SLOT,
  ruleFor,
  ruleFor6,
} from '../../dataplane/policy/program.ts'
import type { AclRule } from '../../flow.ts'
import { parseIpv4 } from '../../plugin/addresses.ts'
import type { Grant } from '../../protocol/outputs.ts'
import { IPV6_ADDRESS_BYTES, parseIpv6 } from '../../wire/ipv6.ts'
import { fastCheck } from '../fast-check.ts'
import type { Harness } from '../plugin-harness.ts'

/** A packet as a policy sees it. */
export interface Packet {
  /** From the session, or to it. */
  readonly direction: 'from-session' | 'to-session'
  /** IPv4 address, in dotted form. */
  readonly source: string
  /** IPv4 address, in dotted form. */
  readonly destination: string
  /** IP protocol number. */
  readonly protocol: number
  /** Destination port. */
  readonly port: number
}

/** A policy to hold to the contract. */
export interface PolicySubject {
  /** Stands in the name of each test. */
  readonly name: string
  /** A new one, loaded and started (`startPlugin`). */
  readonly make: (t: TestContext) => Promise<Harness>
  /** One that is wired, and neither checked nor started (`setUpPlugin`). */
  readonly makeUnstarted: (t: TestContext) => Promise<Harness>
  /** Of the session. */
  readonly grant: Grant
  /** The session's own address. */
  readonly address: string
  /** IPv4 addresses on each side of every distinction that the policy makes, the session's own among them. */
  readonly hosts: readonly string[]
  /** What the policy says, in other words than the plugin's. It must permit some packets between `hosts`, and deny some. */
  readonly permitted: (packet: Packet) => boolean
}

/**
 * Registers what every plugin that answers `decidePolicy` must do, as tests of `node:test`:
 *
 * - its rules permit what the policy says, and nothing else, in both directions;
 * - it appends to the rules of the plugins before it: those decide first, first match wins;
 * - it leaves the zone of the policy as it is, and denies a session of a zone that it does not know: a slip in a users file
 *   must not open the intranet;
 * - it denies every session while it is not started: what it has not read yet cannot permit anything.
 *
 * Needs fast-check.
 */
export function policyContract({
  name,
  make,
  makeUnstarted,
  grant,
  address,
  hosts,
  permitted,
}: PolicySubject): void {
  const packets = async () => {
    const fc = await fastCheck()
    const packet = fc.record({
      direction: fc.constantFrom('from-session', 'to-session'),
      source: fc.constantFrom(...hosts),
      destination: fc.constantFrom(...hosts),
      protocol: fc.constantFrom(1, 6, 17, 47),
      port: fc.constantFrom(22, 53, 80, 443, 8080),
    })
    return { fc, packet }
  }

  test(`${name} permits what the policy says, and nothing else`, async t => {
    const { fc, packet } = await packets()
    const rules = await rulesOf(await make(t), grant, address)
    const seen = new Set<boolean>()
    fc.assert(
      fc.property(packet, one => {
        seen.add(permitted(one))
        assert.equal(passes(rules, one), permitted(one))
      }),
      { numRuns: 2000 },
    )
    assert.deepEqual(seen, new Set([true, false]), 'both verdicts are seen')
  })

  test(`${name} lets the rules of an earlier plugin decide first`, async t => {
    const { fc, packet } = await packets()
    const plugin = await make(t)
    const before = (['from-session', 'to-session'] as const).map(
      (direction): AclRule => ({ action: 'deny', direction, protocol: 6, name: 'no tcp' }),
    )
    const rules = await rulesOf(plugin, grant, address, before)
    fc.assert(
      fc.property(packet, one => assert.equal(passes(rules, one), one.protocol !== 6 && permitted(one))),
    )
  })

  test(`${name} denies a session of a zone that it does not know`, async t => {
    const plugin = await make(t)
    for (const zone of ['nowhere', '', 'local', '__proto__', 'constructor']) {
      const policy = await plugin.policy({ ...grant, zone }, [address])
      assert.ok('kind' in policy && policy.reason !== '', zone)
    }
  })

  test(`${name} denies every session while it is not started`, async t => {
    const policy = await (await makeUnstarted(t)).policy(grant, [address])
    assert.ok('kind' in policy)
  })
}

async function rulesOf(plugin: Harness, grant: Grant, address: string, before?: readonly AclRule[]) {
  const policy = await plugin.policy(grant, [address], before)
  assert.ok(!('kind' in policy), `denied: ${JSON.stringify(policy)}`)
  assert.equal(policy.zone, grant.zone ?? plugin.server.defaultZone)
  return policy.rules
}

/** Whether `rules` let the first packet of a conversation pass, as the data plane decides it: first match wins, none is a denial. */
export function passes(rules: readonly AclRule[], packet: Packet): boolean {
  const { fromSession, toSession } = compileRules(rules, () => NO_SLOT)
  const { ipv4, ipv6 } = packet.direction === 'from-session' ? fromSession : toSession
  const { protocol } = packet
  const selector = HAS_PORTS.has(protocol) ? packet.port : NO_SELECTOR
  const [source, destination] = [parseIpv6(packet.source), parseIpv6(packet.destination)]
  if (source === undefined || destination === undefined) {
    const [from = 0, to = 0] = [packet.source, packet.destination].map(parseIpv4)
    return ipv4.actions[ruleFor(ipv4, from, to, protocol, selector, false)] === ACTION.permit
  }
  const view = new DataView(Uint8Array.from([...source, ...destination]).buffer)
  const rule = ruleFor6(ipv6, view, 0, IPV6_ADDRESS_BYTES, protocol, selector, false)
  return ipv6.actions[rule] === ACTION.permit
}
