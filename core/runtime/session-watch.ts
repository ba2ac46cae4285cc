import type { FlowCounters } from '../flow.ts'
import type { Clock, Milliseconds, Random, TimerHandle } from '../ports.ts'
import type { EndCause, Grant } from '../protocol/outputs.ts'

interface WatchedSession {
  readonly clock: Clock
  readonly random: Random
  readonly grant: Grant
  /** Its longest duration counts from here. */
  readonly upAt: Milliseconds
  /** How far it has come: a watch over another grant goes on where the one before it was cancelled. */
  readonly progress: WatchProgress
  /** Where the grant does not say; 0: no updates. */
  readonly interimIntervalS: number
  counters(): FlowCounters
  /** It is time to tell observers how far it has come. */
  update(): void
  /** A limit of its grant is reached. */
  end(cause: Extract<EndCause, 'session-timeout' | 'idle-timeout'>): void
}

export interface WatchProgress {
  updatedAt: Milliseconds
  trafficAt: Milliseconds
  packets: bigint
}

/** Of a session that has just come up. */
export const noProgress = (upAt: Milliseconds): WatchProgress => ({
  updatedAt: upAt,
  trafficAt: upAt,
  packets: 0n,
})

/** An idle session is noticed this part of its limit late at most. */
const IDLE_CHECKS = 4
/** Updates come this part of their interval early or late: sessions that came at once must not report at once. */
const UPDATE_JITTER = 0.1

/** Runs the clocks of a session that is up, until cancelled: updates, its longest duration, its longest silence. */
export function watchSession(session: WatchedSession): TimerHandle {
  const { clock, random, grant, upAt } = session
  const { interimIntervalS = session.interimIntervalS, sessionTimeoutS, idleTimeoutS } = grant
  const nextUpdateMs = () => interimIntervalS * 1000 * (1 + UPDATE_JITTER * (random.uint16() / 0x8000 - 1))
  const handles = [
    ...(interimIntervalS > 0 ? [watchUpdates(session, nextUpdateMs)] : []),
    ...(sessionTimeoutS === undefined
      ? []
      : [
          clock.setTimer(Math.max(0, upAt + sessionTimeoutS * 1000 - clock.now()), () =>
            session.end('session-timeout'),
          ),
        ]),
    ...(idleTimeoutS === undefined ? [] : [watchIdle(session, idleTimeoutS * 1000)]),
  ]
  return {
    cancel() {
      for (const handle of handles) handle.cancel()
    },
  }
}

function watchUpdates(
  { clock, progress, update }: WatchedSession,
  periodMs: () => Milliseconds,
): TimerHandle {
  const nextMs = () => Math.max(0, progress.updatedAt + periodMs() - clock.now())
  return every(clock, nextMs, () => {
    progress.updatedAt = clock.now()
    update()
  })
}

function watchIdle({ clock, progress, counters, end }: WatchedSession, limitMs: Milliseconds): TimerHandle {
  const look = () => {
    const { packetsIn, packetsOut } = counters()
    const packets = packetsIn + packetsOut
    if (packets === progress.packets) return
    progress.packets = packets
    progress.trafficAt = clock.now()
  }
  look()
  const periodMs = () => limitMs / IDLE_CHECKS
  return every(clock, periodMs, () => {
    look()
    if (clock.now() - progress.trafficAt >= limitMs) end('idle-timeout')
  })
}

/** `periodMs` is asked anew each time, after `run`. */
function every(clock: Clock, periodMs: () => Milliseconds, run: () => void): TimerHandle {
  let handle: TimerHandle
  let cancelled = false
  const arm = () => {
    handle = clock.setTimer(periodMs(), () => {
      run()
      if (!cancelled) arm()
    })
  }
  arm()
  return {
    cancel() {
      cancelled = true
      handle.cancel()
    },
  }
}
