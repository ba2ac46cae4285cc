/** The machine that commands run on. */
import { createWorkerDataPlane } from '../dataplane/worker-client.ts'
import type { Logger } from '../ports.ts'
import type { Trace } from '../runtime/driver.ts'
import { nodeClock } from '../runtime/node/clock.ts'
import { linuxKernel } from '../runtime/node/linux-kernel.ts'
import { createNodeRandom } from '../runtime/node/random.ts'
import { openTraceFile } from '../runtime/node/trace-file.ts'

export function thisMachine(log: Logger, trace: Trace | undefined) {
  return {
    clock: nodeClock,
    random: createNodeRandom(),
    log,
    kernel: linuxKernel,
    createDataPlane: createWorkerDataPlane,
    ...(trace === undefined ? {} : { trace }),
  }
}

/** `--trace FILE`. */
export function traceTo(file: string | undefined): Trace | undefined {
  return file === undefined ? undefined : openTraceFile(file, nodeClock)
}
