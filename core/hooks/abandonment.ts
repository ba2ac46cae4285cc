/**
 * Whether a call is wanted no more, for queues: nearly every call waits in one and hardly any is given up, and to make an
 * AbortSignal for each costs more than the rest of its wait.
 */
import type { Call } from './views.ts'

/** What a tap is called with, or `{ signal }` of anything else that may be given up. */
export type Abandonable = Pick<Call, 'signal'>

/** How the guard's own calls tell it. */
export interface Abandonment {
  readonly abandoned: boolean
  onAbandoned(listener: () => void): () => void
}

export const ABANDONMENT = Symbol('abandonment')

const abandonmentOf = (call: Abandonable): Abandonment | undefined =>
  (call as { readonly [ABANDONMENT]?: Abandonment })[ABANDONMENT]

export const isAbandoned = (call: Abandonable): boolean =>
  abandonmentOf(call)?.abandoned ?? call.signal.aborted

/** Calls `listener` once it is; the result takes it off again. */
export function onAbandoned(call: Abandonable, listener: () => void): () => void {
  const cheap = abandonmentOf(call)
  if (cheap !== undefined) return cheap.onAbandoned(listener)
  const { signal } = call
  signal.addEventListener('abort', listener, { once: true })
  return () => signal.removeEventListener('abort', listener)
}
