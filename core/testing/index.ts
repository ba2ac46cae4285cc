/** The public test kit: what the test of a plugin imports as `burrow/testing`. No root, no network, time by hand. */
export {
  type AccountingSubject,
  accountingSinkContract,
  type KeptRecord,
} from './contracts/accounting-sink.ts'
export { type AllocatorSubject, addressAllocatorContract } from './contracts/address-allocator.ts'
export { type AuthenticatorSubject, authenticatorContract } from './contracts/authenticator.ts'
export { type Packet, type PolicySubject, policyContract } from './contracts/policy.ts'
export { FakeServer } from './fake-server.ts'
export { type LoggedLine, memoryLog } from './log.ts'
export {
  type Asked,
  type Decided,
  type Harness,
  loadPlugin,
  type PluginSetting,
  setUpPlugin,
  startPlugin,
} from './plugin-harness.ts'
export { chapProof, mschapv2Proof, papProof } from './proofs.ts'
export { SeededRandom } from './random.ts'
export { aFolder, anEnd, aSession, aTunnel, NO_TRAFFIC } from './samples.ts'
export type { TestScope } from './scope.ts'
export { settle, VirtualClock } from './virtual-clock.ts'
