import type { FlowCounters } from '../flow.ts'
import type { Clock, Milliseconds, TimerHandle } from '../ports.ts'
import type { EndCause, Grant } from '../protocol/outputs.ts'

interface WatchedSession {
  readonly clock: Clock
  readonly grant: Grant
  /** Its longest duration counts from here. */
  readonly upAt: Milliseconds
  /** Where the grant does not say; 0: no updates. */
  readonly interimIntervalS: number
  counters(): FlowCounters
  /** It is time to tell observers how far it has come. */
  update(): void
  /** A limit of its grant is reached. */
  end(cause: Extract<EndCause, 'session-timeout' | 'idle-timeout'>): void
}

/** An idle session is noticed this part of its limit late at most. */
const IDLE_CHECKS = 4

/** Runs the clocks of a session that is up, until cancelled: updates, its longest duration, its longest silence. */
export function watchSession(session: WatchedSession): TimerHandle {
  const { clock, grant, upAt } = session
  const { interimIntervalS = session.interimIntervalS, sessionTimeoutS, idleTimeoutS } = grant
  const handles = [
    ...(interimIntervalS > 0 ? [every(clock, interimIntervalS * 1000, () => session.update())] : []),
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

function watchIdle({ clock, counters, end }: WatchedSession, limitMs: Milliseconds): TimerHandle {
  const packets = () => {
    const { packetsIn, packetsOut } = counters()
    return packetsIn + packetsOut
  }
  let seen = packets()
  let seenAt = clock.now()
  return every(clock, limitMs / IDLE_CHECKS, () => {
    const now = packets()
    if (now !== seen) seenAt = clock.now()
    else if (clock.now() - seenAt >= limitMs) end('idle-timeout')
    seen = now
  })
}

function every(clock: Clock, periodMs: Milliseconds, run: () => void): TimerHandle {
  let handle: TimerHandle
  const arm = () => {
    handle = clock.setTimer(periodMs, () => {
      arm()
      run()
    })
  }
  arm()
  return { cancel: () => handle.cancel() }
}
