/** The data plane in a worker thread, over real sockets and a TUN device. */
import { BurrowError } from '../errors.ts'
import type { DataPlaneOptions, ListeningDataPlane } from './data-plane.ts'

/** Sockets and TUN are opened by `start`, which fails with PORT_IN_USE, ADDRESS_NOT_LOCAL, NO_TUN or NO_ROOT. */
export function createWorkerDataPlane(_options: DataPlaneOptions): ListeningDataPlane {
  throw new BurrowError('INTERNAL', 'the worker data plane is not there yet')
}
