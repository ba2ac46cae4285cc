/** The hooks as JSON, for plugins that ask a program or a service. The page that programs are written by: docs/hooks-json.md. */
import { z } from 'zod'
import { BurrowError } from '../errors.ts'
import type { AclRule } from '../flow.ts'
import { HOOKS, type HookName } from '../hooks/hooks.ts'
import type { Proof } from '../hooks/views.ts'
import type { PluginInstance } from './plugin.ts'

/** Every hook, in the order of a call. */
export const HOOK_NAMES = Object.keys(HOOKS) as readonly HookName[]

/** What a program or a service can be asked: a hook, or to free or take again what it leased. */
export type JsonHook = HookName | ((keyof PluginInstance & 'releaseLease') | 'resumeLease')

/** One question or event as plain data that survives JSON: 64-bit counters as numbers, byte strings as lower-case hex. */
export interface HookRequest {
  /** Version of the format. */
  readonly v: 1
  /** Unique for ever; the same when a request is sent again. */
  readonly id: string
  /** What is asked. */
  readonly hook: JsonHook
  /** Waterfalls: what the taps before made of the grant or policy. */
  readonly value?: unknown
  /** The fields of the hook's own call or event: `session`, `user`, `proof`, `counters`, ... */
  readonly [field: string]: unknown
}

/**
 * `call`: what the tap was given (but its signal); `value`: of a waterfall. Only a request of `authenticate` holds a
 * proof, and with it the password. `dryRun` is there where it is true.
 */
export function hookRequest(hook: JsonHook, id: string, call: object, value?: unknown): HookRequest {
  const { signal: _, proof, ...fields } = call as { readonly signal?: unknown; readonly proof?: Proof }
  const { dryRun } = call as { readonly dryRun?: boolean }
  return plain({
    v: 1,
    id,
    hook,
    value,
    ...fields,
    dryRun: dryRun === true ? dryRun : undefined,
    proof: hook === 'authenticate' && proof !== undefined ? opened(proof) : undefined,
  }) as HookRequest
}

function opened(proof: Proof): object {
  return {
    method: proof.method,
    password: proof.password(),
    ...proof.chap(),
    ...proof.mschapv2(),
    ...proof.eap(),
  }
}

function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (Array.isArray(value)) return value.map(plain)
  const entries = Object.entries(value).filter(([, item]) => item !== undefined && typeof item !== 'function')
  return Object.fromEntries(entries.map(([key, item]) => [key, plain(item)]))
}

/** The JSON of an answer; null for an empty one. Throws HOOK_ANSWER, with nothing of the text: it may quote a secret. */
export function parseHookAnswer(text: string): unknown {
  if (text.trim() === '') return null
  try {
    return JSON.parse(text)
  } catch {
    throw new BurrowError('HOOK_ANSWER', `the answer is no JSON (${text.length} characters)`)
  }
}

const WholePrefix = z.strictObject({ address: z.string(), length: z.number().int() })
const Port = z.number().int().min(0).max(65_535)
/** Strict, because a rule with a misspelt condition would match everything. */
const Rules: z.ZodType<readonly AclRule[]> = z.array(
  z.strictObject({
    action: z.enum(['permit', 'deny']),
    direction: z.enum(['from-session', 'to-session']),
    source: z.array(WholePrefix).exactOptional(),
    destination: z.array(WholePrefix).exactOptional(),
    protocol: z.number().int().min(0).max(255).exactOptional(),
    destinationPorts: z.array(z.strictObject({ from: Port, to: Port })).exactOptional(),
    name: z.string(),
  }),
)

/**
 * What a tap returns for an answer: undefined for null, '' and {} ("not mine", "unchanged") and for observers, else the answer
 * itself with its byte strings read, whose kind and fields the guard checks as it checks those of any tap. Throws HOOK_ANSWER
 * for rules and byte strings that are none.
 */
export function hookVerdict(hook: HookName, answer: unknown): unknown {
  if (HOOKS[hook].kind === 'observer' || isNothing(answer)) return undefined
  if (typeof answer === 'object' && 'rules' in answer) {
    const issue = Rules.safeParse(answer.rules).error?.issues[0]
    if (issue !== undefined) {
      const where = ['rules', ...issue.path].map(String).join('.')
      throw new BurrowError('HOOK_ANSWER', `the answer has a rule that is none: ${where} (${issue.code})`)
    }
  }
  return typeof answer === 'object' && 'eap' in answer ? { ...answer, eap: octets(answer.eap) } : answer
}

function octets(hex: unknown): Uint8Array {
  if (typeof hex === 'string' && /^([0-9a-f]{2})*$/i.test(hex)) return new Uint8Array(Buffer.from(hex, 'hex'))
  throw new BurrowError('HOOK_ANSWER', 'the answer has an `eap` that is no hex')
}

function isNothing(answer: unknown): answer is null | undefined | '' {
  if (answer === null || answer === undefined || answer === '') return true
  return typeof answer === 'object' && Object.keys(answer).length === 0
}
