/** Taps hooks with JSON: what plugins that ask a program or a service have in common, whatever carries the question. */
import { z } from 'zod'
import { BurrowError } from '../errors.ts'
import type { Prefix } from '../flow.ts'
import { attempt } from '../hooks/attempt.ts'
import { HOOKS, type HookName } from '../hooks/hooks.ts'
import type { Milliseconds } from '../ports.ts'
import type { Lease } from '../protocol/outputs.ts'
import { ipv4PrefixOption } from './addresses.ts'
import { HOOK_NAMES, type HookRequest, hookRequest, hookVerdict, type JsonHook } from './hook-json.ts'
import type { PluginContext, PluginInstance } from './plugin.ts'

/** The options that every such plugin has; spread into its schema. */
export const JSON_HOOK_OPTIONS = {
  hooks: z
    .array(z.enum(HOOK_NAMES))
    .min(1)
    .refine(names => new Set(names).size === names.length, 'expected each hook once')
    .describe('Which hooks it answers or observes.'),
  timeoutMs: z
    .number()
    .int()
    .min(1)
    .max(60_000)
    .exactOptional()
    .describe('For one answer. Default, and the most: a little less than the own deadline of the hook.'),
  waitingCalls: z
    .number()
    .int()
    .min(0)
    .max(100_000)
    .default(256)
    .describe('Calls that wait for their turn; beyond, a call fails at once.'),
  pools: z
    .record(z.string().regex(/^[\w.-]{1,64}$/), z.array(ipv4PrefixOption('POOL_INVALID')).min(1))
    .default({})
    .describe('Prefixes of the addresses that it assigns, by name: what policies call "the pool".'),
}

/** What `JSON_HOOK_OPTIONS` gives `tapJson`. */
export interface JsonHookOptions {
  /** Which hooks are answered or observed, each once. */
  readonly hooks: readonly HookName[]
  /** For one answer; absent: a little less than the own deadline of the hook. */
  readonly timeoutMs?: Milliseconds
  /** Prefixes of the addresses that are assigned, by the name of their pool. */
  readonly pools: Readonly<Record<string, readonly Prefix[]>>
}

/** One question on its way. */
export interface JsonCall {
  /** To be sent as JSON. */
  readonly request: HookRequest
  /** When it aborts, nobody waits any more; its reason is a HOOK_TIMEOUT, or HOOK_FAILED when the call ended. */
  readonly signal: AbortSignal
  /** After so long the signal aborts by itself. */
  readonly timeoutMs: Milliseconds
  /** False: what comes back is not read, only that something does. */
  readonly wantsAnswer: boolean
}

/** Carries a question to where it is answered: the JSON value of the answer, or a rejection, which is the hook's fault. */
export type AskJson = (call: JsonCall) => Promise<unknown>

/** How long the host waits for `releaseLease` and `resumeLease` is 5 s. */
const LEASE_TIMEOUT_MS = 4_500
/** Of a hook's own deadline: who is late is told so by us, with the place, before the guard says it. */
const OWN_SHARE = 0.95

/** Taps the hooks of `options` for a plugin; what it returns belongs into the plugin's instance. */
export function tapJson(
  context: PluginContext,
  name: string,
  options: JsonHookOptions,
  ask: AskJson,
): Required<Pick<PluginInstance, 'releaseLease' | 'resumeLease'>> {
  const taps = new JsonTaps(context, ask)
  for (const [pool, prefixes] of Object.entries(options.pools)) context.server.declarePool(pool, prefixes)
  for (const hook of options.hooks) {
    const ownMs = HOOKS[hook].deadlineMs * OWN_SHARE
    const timeoutMs = Math.min(ownMs, options.timeoutMs ?? ownMs)
    const { tapPromise } = context.hooks[hook] as AnyTap
    // The call or event comes last, the value of a waterfall before it.
    tapPromise(name, (...args) => taps.tapped(hook, timeoutMs, args.at(-1) ?? {}, args.at(-2)))
  }
  return {
    releaseLease: ({ kind, value, id }) => taps.release({ kind, value, id }),
    resumeLease: async ({ kind, value, id }, session) =>
      (await taps.ask('resumeLease', { lease: { kind, value, id }, session })) === true,
  }
}

interface AnyTap {
  tapPromise(name: string, run: (...args: readonly object[]) => Promise<unknown>): void
}

class JsonTaps {
  readonly #context: PluginContext
  readonly #ask: AskJson

  constructor(context: PluginContext, ask: AskJson) {
    this.#context = context
    this.#ask = ask
  }

  async tapped(hook: HookName, timeoutMs: Milliseconds, call: object, value?: unknown): Promise<unknown> {
    const { signal } = call as { readonly signal?: AbortSignal }
    const request = this.#request(hook, call, value)
    const wantsAnswer = HOOKS[hook].kind !== 'observer'
    const send = (deadlineMs: Milliseconds, until: AbortSignal | undefined) =>
      this.#within(deadlineMs, until, ownSignal =>
        this.#ask({ request, signal: ownSignal, timeoutMs: deadlineMs, wantsAnswer }),
      )
    const answer = leases(hook)
      ? // It is left to answer for a while, because a lease that nobody hears of is never released.
        await this.#within(
          timeoutMs,
          signal,
          () => send(HOOKS[hook].deadlineMs * 2, undefined),
          late => this.#releaseLate(call, late),
        )
      : await send(timeoutMs, signal)
    return hookVerdict(hook, answer)
  }

  ask(hook: JsonHook, call: object, wantsAnswer = true): Promise<unknown> {
    const request = this.#request(hook, call)
    return this.#within(LEASE_TIMEOUT_MS, undefined, signal =>
      this.#ask({ request, signal, timeoutMs: LEASE_TIMEOUT_MS, wantsAnswer }),
    )
  }

  async release(lease: Omit<Lease, 'owner'>): Promise<void> {
    await this.ask('releaseLease', { lease }, false)
  }

  async #releaseLate(call: object, answer: unknown): Promise<void> {
    const { kind, value, id } = { ...(answer as Readonly<Record<string, unknown>> | null) }
    if (kind !== 'lease' || typeof value !== 'string' || typeof id !== 'string') return
    const lease = { kind: (call as { readonly address: Lease['kind'] }).address, value, id }
    try {
      await this.release(lease)
    } catch (error) {
      this.#context.log.error({ lease, error }, 'a lease that came too late could not be released')
    }
  }

  #request(hook: JsonHook, call: object, value?: unknown): HookRequest {
    const id = Buffer.from(this.#context.random.bytes(16)).toString('hex')
    return hookRequest(hook, id, call, value)
  }

  /** Lets go at the deadline, and when `signal` aborts; `late` is given what comes after that. */
  #within(
    deadlineMs: Milliseconds,
    signal: AbortSignal | undefined,
    start: (signal: AbortSignal) => Promise<unknown>,
    late: (value: unknown) => void = () => {},
  ): Promise<unknown> {
    const { clock } = this.#context
    const abort = new AbortController()
    let gone = () => {}
    return new Promise((resolve, reject) =>
      attempt(
        () => start(abort.signal),
        {
          clock,
          deadlineMs,
          late,
          running: (withdraw = () => {}) => {
            signal?.removeEventListener('abort', gone)
            gone = withdraw
            signal?.addEventListener('abort', gone, { once: true })
          },
          abandoned: why => abort.abort(abandonment(why, deadlineMs)),
        },
        outcome => {
          if (outcome.kind === 'answer') resolve(outcome.value)
          else reject(outcome.kind === 'threw' ? outcome.error : abandonment(outcome.kind, deadlineMs))
        },
      ),
    )
  }
}

/** Whether an answer of this hook holds something that must be given back. */
const leases = (hook: HookName): boolean => 'lease' in HOOKS[hook].verdicts

function abandonment(why: 'late' | 'withdrawn', deadlineMs: Milliseconds): BurrowError {
  return why === 'late'
    ? new BurrowError('HOOK_TIMEOUT', `no answer within ${deadlineMs} ms`)
    : new BurrowError('HOOK_FAILED', 'the call ended before its answer')
}
