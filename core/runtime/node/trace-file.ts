import { openSync, writeSync } from 'node:fs'
import { BurrowError } from '../../errors.ts'
import type { Clock } from '../../ports.ts'
import type { Trace } from '../driver.ts'
import { traceRecord } from '../trace.ts'

/** Appends each datagram of the control plane to `file` until the process ends: one JSON object a line, for its owner only. */
export function openTraceFile(file: string, clock: Clock): Trace {
  let fd: number
  try {
    fd = openSync(file, 'a', 0o600)
  } catch (cause) {
    throw new BurrowError('TRACE_FILE', (cause as Error).message, { file }, { cause })
  }
  return (direction, path, bytes) => {
    const record = traceRecord(clock.wallTimeMs(), direction, path, bytes)
    if (record !== undefined) writeSync(fd, `${JSON.stringify(record)}\n`)
  }
}
