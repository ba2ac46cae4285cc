/**
 * The public test kit: what the test of a plugin imports as `burrow/testing`. No root, no network, time by hand.
 * docs/testing-plugins.md leads through it. A server never loads it.
 */
export type { AclRule, FlowCounters } from '../flow.ts'
export type { Inquiry, TapFault, TrailEntry } from '../hooks/guard.ts'
export type { AnyPlugin } from '../plugin/plugin.ts'
export { SharedResources } from '../plugin/shared.ts'
export type { ProtocolDrop } from '../protocol/drops.ts'
export type { Event } from '../protocol/outputs.ts'
export type { Credential, DryRun } from '../runtime/dry-run.ts'
export type { Explained } from '../runtime/explain.ts'
export type { ReloadReport } from '../runtime/reload.ts'
export type { Enforced } from '../runtime/right-to-stay.ts'
export type { SessionRow } from '../runtime/session-rows.ts'
export type { KeptEntry, Refusal, Trail, TrailRecord } from '../runtime/trail-record.ts'
export {
  type AccountingSubject,
  accountingSinkContract,
  type KeptRecord,
} from './contracts/accounting-sink.ts'
export { type AllocatorSubject, addressAllocatorContract } from './contracts/address-allocator.ts'
export {
  type AuthenticatorSubject,
  authenticatorContract,
  type UnavailableAuthenticator,
  workOf,
} from './contracts/authenticator.ts'
export { type Packet, type PolicySubject, passes, policyContract } from './contracts/policy.ts'
export { FakeServer } from './fake-server.ts'
export { type LoggedLine, memoryLog } from './log.ts'
export type { DialOptions, MemoryCall, PlacedCall, RefusedCall } from './memory-call.ts'
export type { MemoryConfig } from './memory-config.ts'
export { type MemoryLns, type MemoryLnsOptions, startMemoryLns } from './memory-lns.ts'
export { ipv4Packet, type PacketEnds, type PacketKind } from './packets.ts'
export {
  type Asked,
  type AskedRound,
  type Decided,
  type Harness,
  loadPlugin,
  type PluginSetting,
  setUpPlugin,
  startPlugin,
} from './plugin-harness.ts'
export { chapProof, eapProof, mschapv2Proof, papProof } from './proofs.ts'
export { SeededRandom } from './random.ts'
export { aFolder, anEnd, aSession, aTunnel, NO_TRAFFIC } from './samples.ts'
export { inScope, type TestScope } from './scope.ts'
export { settle, VirtualClock } from './virtual-clock.ts'
