/** Asks of the machines: who waits for which decision. */
import type { Ask } from './outputs.ts'
import type { Core, PendingAsk } from './state.ts'

/** Emits `ask` once; the caller keeps the id until the verdict or `withdrawAsk`. */
export function emitAsk(core: Core, ask: Ask, tunnelKey: string, sessionId?: number): number {
  const askId = core.state.nextAskId++
  const pending: PendingAsk = { askId, ask, tunnelKey, ...(sessionId === undefined ? {} : { sessionId }) }
  core.state.asks.set(askId, pending)
  core.emit({ kind: 'ask', askId, ask })
  return askId
}

export function withdrawAsk(core: Core, askId: number | undefined): void {
  if (askId !== undefined && core.state.asks.delete(askId)) core.emit({ kind: 'withdraw', askId })
}
