import type { Json } from '../protocol/snapshot.ts'

/** It waits in the memory of each call that has not proved anything yet. */
const MOST_STATE_BYTES = 4096

/** Whether an exchange can go on with it: something for the peer, and a state to keep. Throws where that loops. */
export function isContinuation({
  reply,
  eap,
  state,
}: {
  readonly reply?: unknown
  readonly eap?: unknown
  readonly state?: unknown
}): boolean {
  return (reply !== undefined || eap !== undefined) && isState(state)
}

/** What a plugin may have kept for its next round: what JSON carries whole, and not much of it. */
function isState(value: unknown): value is Json {
  return isJson(value) && Buffer.byteLength(JSON.stringify(value)) <= MOST_STATE_BYTES
}

function isJson(value: unknown): value is Json {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true
  if (typeof value !== 'object') return Number.isFinite(value)
  if (Array.isArray(value)) return value.every(isJson)
  const prototype = Object.getPrototypeOf(value)
  return (prototype === Object.prototype || prototype === null) && Object.values(value).every(isJson)
}
