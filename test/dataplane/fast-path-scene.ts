/** A fast path in a world of flows, and what it made of a packet, for comparison with the reference. */
import { FastPath, VERDICT } from '../../core/dataplane/fast-path.ts'
import { FlowTable } from '../../core/dataplane/flow-table.ts'
import { outerAddress } from '../../core/dataplane/outer-address.ts'
import { compileRules } from '../../core/dataplane/policy/program.ts'
import { HEADROOM_BYTES, PacketBatch } from '../../core/dataplane/ports.ts'
import { ipv4Prefixes, ipv6Prefixes } from '../../core/dataplane/prefix.ts'
import { PrefixTable } from '../../core/dataplane/prefix-table.ts'
import { PrefixTable6 } from '../../core/dataplane/prefix-table6.ts'
import type { Path } from '../../core/ports.ts'
import type { Outcome, World } from './reference.ts'

const CONNECTIONS = 64

export function makeFastPath({ flows, localPrefixes }: World): FastPath {
  const table = new FlowTable(8)
  for (const { flow: given, rules } of flows) {
    table.upsert(given, 0)
    const numbered = { ...compileRules(rules, () => 1), number: given.id + 1 }
    table.setFlowPolicy(given.id, given.generation, numbered)
  }
  const fastPath = new FastPath(table, CONNECTIONS)
  for (const { flow } of flows) fastPath.begin(flow.id)
  const local = new PrefixTable()
  for (const { address, length } of ipv4Prefixes(localPrefixes)) local.set(address, length, 1)
  const local6 = new PrefixTable6()
  for (const prefix of ipv6Prefixes(localPrefixes)) local6.set(prefix, 1)
  fastPath.setLocalPrefixes(local, local6)
  return fastPath
}

/** Behind a headroom: once with octets behind it that are not its own, once with none, so that an over-read throws. */
export const PLACES = [70, 0].map(behind => (bytes: Uint8Array) => {
  const buffer = new Uint8Array(HEADROOM_BYTES + bytes.length + behind).fill(0xa5)
  buffer.set(bytes, HEADROOM_BYTES)
  return { view: new DataView(buffer.buffer), at: HEADROOM_BYTES }
})

/** `length` octets at `at` as the one datagram of a batch, which came this way. */
export function arrived(view: DataView, at: number, length: number, { local, remote }: Path): PacketBatch {
  const batch = Object.assign(new PacketBatch(1), { view })
  const ends = [outerAddress(local.address), outerAddress(remote.address)] as const
  batch.isIpv6 = local.address.includes(':')
  batch.at[0] = at
  batch.length[0] = length
  batch.remotePort[0] = remote.port
  batch.localAddress[0] = ends[0].number
  batch.remoteAddress[0] = ends[1].number
  batch.localWords.set(ends[0].words ?? [])
  batch.remoteWords.set(ends[1].words ?? [])
  return batch
}

export function outcome(
  verdict: number,
  { flow: owner, reason, at, length, innerBytes }: FastPath,
  view: DataView,
): Outcome {
  const bytes = new Uint8Array(view.buffer).slice(at, at + length)
  const known = owner < 0 ? {} : { flow: owner }
  switch (verdict) {
    case VERDICT.toTun:
      return { kind: 'tun', flow: owner, packet: bytes }
    case VERDICT.toPeer:
      return {
        kind: 'peer',
        flow: owner,
        head: bytes.slice(0, length - innerBytes),
        packet: bytes.slice(length - innerBytes),
      }
    case VERDICT.upControl:
      return { kind: 'control' }
    case VERDICT.upOpening:
      return { kind: 'opening' }
    case VERDICT.upFlow:
      return { kind: 'flow', flow: owner }
    case VERDICT.upUnknown:
      return { kind: 'unknown' }
    default:
      return { kind: 'drop', reason, ...known }
  }
}
