/** The public surface: what a plugin imports as `burrow`. Nothing else is public. */
export { z } from 'zod'
export { BurrowError, ERRORS, type ErrorCode, type ErrorPlace, throwProblems } from './errors.ts'
export type { AclRule, DropReason, FlowCounters, Prefix } from './flow.ts'
export type { TrailEntry } from './hooks/guard.ts'
export type { FirstAnswerHook, HookName, Hooks, ObserverHook, WaterfallHook } from './hooks/hooks.ts'
export { shared } from './hooks/read-only.ts'
export type * from './hooks/views.ts'
export {
  type Ipv4Range,
  ipv4PrefixOption,
  ipv4RangeOption,
  ipv6Form,
  parseIpv4,
  prefixesOf,
  rangeOf,
} from './plugin/addresses.ts'
export type { CallProtection, IpsecDialOptions, ProtectCall, ProtectCalls } from './plugin/call-protection.ts'
export {
  type Capability,
  type CapabilityArity,
  type CapabilityValues,
  capability,
} from './plugin/capability.ts'
export { type SplitUser, splitUser } from './plugin/deployment.ts'
export {
  answerEapPassword,
  type EapGoesOn,
  type EapPasswordMethod,
  type EapPasswordVerdict,
  type EapRight,
  type EapRound,
  type EapSecret,
  type EapWrong,
} from './plugin/eap-password.ts'
export {
  HOOK_NAMES,
  type HookRequest,
  hookRequest,
  hookVerdict,
  type JsonHook,
  parseHookAnswer,
} from './plugin/hook-json.ts'
export type { InterfaceReach, InterfaceWays, ServerInterfaces } from './plugin/interfaces.ts'
export { IPSEC_SECRETS, type IpsecSecret, type IpsecSecrets } from './plugin/ipsec-secrets.ts'
export {
  EVERY_IPV6_ADDRESS,
  type Ipv6Block,
  ipv6BlockOf,
  ipv6BlocksInBoth,
  ipv6BlocksOverlap,
  ipv6BlocksWithout,
  ipv6BlockText,
  ipv6Number,
  ipv6PrefixOption,
  ipv6Text,
  isInIpv6Blocks,
  prefixOfBlock,
} from './plugin/ipv6-blocks.ts'
export {
  type AskJson,
  JSON_HOOK_OPTIONS,
  type JsonCall,
  type JsonHookOptions,
  tapJson,
} from './plugin/json-taps.ts'
export {
  definePlugin,
  type GrantChange,
  type Plugin,
  type PluginContext,
  type PluginInstance,
  type Regranted,
  type ServerView,
} from './plugin/plugin.ts'
export type {
  PolicyFinding,
  PolicyQuestion,
  PolicyRow,
  PolicyTable,
  RuleHits,
} from './plugin/policy-table.ts'
export { prefixesInBoth, prefixesWithout } from './plugin/prefix-lists.ts'
export {
  RADIUS,
  type RadiusAttribute,
  type RadiusClient,
  type RadiusCode,
  type RadiusDecoded,
  type RadiusMessage,
  type RadiusOutcome,
  type RadiusRequest,
  type RadiusValue,
} from './plugin/radius.ts'
export { type RadiusRates, radiusRates } from './plugin/radius-rates.ts'
export { MOST_RADIUS_VALUE_BYTES, radiusText } from './plugin/radius-text.ts'
export {
  EVERY_ADDRESS,
  isInRanges,
  rangesInBoth,
  rangesOverlap,
  rangesWithout,
  rangeText,
} from './plugin/ranges.ts'
export type { ValuePath } from './plugin/schema-nodes.ts'
export { Slots } from './plugin/slots.ts'
export { USERS, type UserDirectory } from './plugin/users.ts'
export type {
  Clock,
  LogFields,
  Logger,
  Milliseconds,
  Path,
  Random,
  SocketAddress,
  TimerHandle,
} from './ports.ts'
export type {
  AddressKind,
  AuthMethod,
  EapProof,
  EndCause,
  EndReason,
  Grant,
  Lease,
  Mschapv2Proof,
  ProxiedPart,
  Role,
  SessionInfo,
  SessionIpv6,
  SessionNetwork,
  SessionPolicy,
  TunnelInfo,
  TunnelProtection,
} from './protocol/outputs.ts'
export { BoundedLog, type BoundedLogOptions } from './runtime/bounded-log.ts'
export { type CheckedYaml, checkedYaml } from './runtime/checked-yaml.ts'
export { escapeValue } from './runtime/escape.ts'
export { NftTable, type NftTableParts } from './runtime/node/nft.ts'
export { readTlsFiles, type TlsFileOptions, type TlsFiles } from './runtime/node/tls-files.ts'
export { passwordProof } from './runtime/proof.ts'
export { escapeText } from './wire/escape.ts'
export { formatIpv4 } from './wire/ip.ts'
export { decodeText } from './wire/ppp-auth.ts'
