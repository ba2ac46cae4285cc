/** The machine that commands run on. */
import { Option } from 'commander'
import { type DataPlaneOptions, PORTS_NAMES, type PortsName } from '../dataplane/data-plane.ts'
import { createDataPlane } from '../dataplane/worker-or-dgram.ts'
import type { Logger } from '../ports.ts'
import type { Trace } from '../runtime/driver.ts'
import { nodeClock } from '../runtime/node/clock.ts'
import { linuxKernel } from '../runtime/node/linux-kernel.ts'
import { createNodeRandom } from '../runtime/node/random.ts'
import { openTraceFile } from '../runtime/node/trace-file.ts'

/** `ports`: of the data plane, whatever its options say. */
export function thisMachine(log: Logger, trace: Trace | undefined, ports?: PortsName) {
  return {
    clock: nodeClock,
    random: createNodeRandom(),
    log,
    kernel: linuxKernel,
    createDataPlane: (options: DataPlaneOptions) =>
      createDataPlane({ ...options, ...(ports === undefined ? {} : { ports }) }),
    ...(trace === undefined ? {} : { trace }),
  }
}

/** `--dataplane NAME`. */
export const dataPlaneOption = () =>
  new Option(
    '--dataplane <name>',
    'how packets pass between kernel and Burrow; without it the fastest that the kernel has',
  ).choices(PORTS_NAMES)

/** `--trace FILE`. */
export function traceTo(file: string | undefined): Trace | undefined {
  return file === undefined ? undefined : openTraceFile(file, nodeClock)
}
