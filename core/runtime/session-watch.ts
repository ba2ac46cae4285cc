import type { FlowCounters } from '../flow.ts'
import type { Clock, Milliseconds, Random, TimerHandle } from '../ports.ts'
import type { EndCause, Grant } from '../protocol/outputs.ts'

interface WatchedSession {
  readonly clock: Clock
  readonly random: Random
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
/** Updates come this part of their interval early or late: sessions that came at once must not report at once. */
const UPDATE_JITTER = 0.1

/** Runs the clocks of a session that is up, until cancelled: updates, its longest duration, its longest silence. */
export function watchSession(session: WatchedSession): TimerHandle {
  const { clock, random, grant, upAt } = session
  const { interimIntervalS = session.interimIntervalS, sessionTimeoutS, idleTimeoutS } = grant
  const nextUpdateMs = () => interimIntervalS * 1000 * (1 + UPDATE_JITTER * (random.uint16() / 0x8000 - 1))
  const handles = [
    ...(interimIntervalS > 0 ? [every(clock, nextUpdateMs, () => session.update())] : []),
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
  const periodMs = () => limitMs / IDLE_CHECKS
  return every(clock, periodMs, () => {
    const now = packets()
    if (now !== seen) seenAt = clock.now()
    else if (clock.now() - seenAt >= limitMs) end('idle-timeout')
    seen = now
  })
}

/** `periodMs` is asked anew each time. */
function every(clock: Clock, periodMs: () => Milliseconds, run: () => void): TimerHandle {
  let handle: TimerHandle
  const arm = () => {
    handle = clock.setTimer(periodMs(), () => {
      arm()
      run()
    })
  }
  arm()
  return { cancel: () => handle.cancel() }
}
