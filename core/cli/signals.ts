import { EXIT } from './report.ts'

/** What ends a command at a terminal; a server takes SIGHUP for something else. */
const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Resolves at the first signal to stop, so that the command can end in order; a second one ends the process at
 * once. Call `off` when the command ends by itself.
 */
export function stopSignal(signals: readonly NodeJS.Signals[] = STOP_SIGNALS): {
  readonly signalled: Promise<NodeJS.Signals>
  readonly off: () => void
} {
  let onSignal: (signal: NodeJS.Signals) => void = () => {}
  const signalled = new Promise<NodeJS.Signals>(resolve => {
    let first = true
    onSignal = signal => {
      if (!first) process.exit(EXIT.interrupted)
      first = false
      resolve(signal)
    }
  })
  for (const signal of signals) process.on(signal, onSignal)
  return {
    signalled,
    off: () => {
      for (const signal of signals) process.off(signal, onSignal)
    },
  }
}
