/** What the driver asks of whoever decides and is told, on the server's side and the client's. */
import type { SessionDown, SessionUp, SessionUpdate, TunnelDown, TunnelUp } from '../hooks/views.ts'
import type { Ask, Lease, SessionInfo, TunnelInfo, Verdict } from '../protocol/outputs.ts'

export type Observed =
  | ({ readonly kind: 'tunnelUp' } & TunnelUp)
  | ({ readonly kind: 'tunnelDown' } & TunnelDown)
  | ({ readonly kind: 'sessionUp' } & SessionUp)
  | ({ readonly kind: 'sessionUpdate' } & SessionUpdate)
  | ({ readonly kind: 'sessionDown' } & SessionDown)

/** Who decides and who is told; `Asks` over the hooks in a server. */
export interface Decisions {
  /** Decides once and calls `answer`, unless withdrawn before. */
  ask(askId: number, ask: Ask, answer: (verdict: Verdict) => void): void
  withdraw(askId: number): void
  /** Resolves when every observer has seen it or is late; never rejects. */
  tell(event: Observed): Promise<void>
  releaseLease(lease: Lease, session: SessionInfo): Promise<void>
  /** Nothing about this tunnel, or this session, is asked or told any more. */
  over(subject: TunnelInfo | SessionInfo): void
}
