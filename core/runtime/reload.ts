/** What one reload may change, and the report of it. */
import { z } from 'zod'
import { BurrowError, throwProblems } from '../errors.ts'
import type { LoadedConfig } from './config-file.ts'
import type { Enforced } from './right-to-stay.ts'
import { deviceMtuBytes, type ServerConfig } from './server-config.ts'

export const ReloadOptions = z.strictObject({
  enforce: z.boolean().describe("Look at every live session's right to stay, too."),
})
export type ReloadOptions = z.output<typeof ReloadOptions>

/** What a reload came to. */
export interface ReloadReport {
  /** Of the config, counted from the start. */
  readonly generation: number
  /** What `burrow check` would warn of. */
  readonly warnings: readonly string[]
  /** Live sessions that go on as they were. */
  readonly untouched: number
  /** Live sessions that were passed on because their generation had grown too old. */
  readonly passed: number
  /** Those of them that could not be passed on, and were ended. */
  readonly lost: number
  /** With `--enforce` only. */
  readonly enforced?: Enforced
}

/** What belongs to the process and not to a generation: sockets, devices, the log. */
const OF_THE_PROCESS: readonly {
  readonly path: readonly PropertyKey[]
  readonly value: (server: ServerConfig) => unknown
}[] = [
  { path: ['listen'], value: ({ listen }) => listen },
  { path: ['gatewayAddress'], value: ({ gatewayAddress }) => gatewayAddress },
  { path: ['tun', 'name'], value: ({ tun }) => tun.name },
  { path: ['tun', 'mtuBytes'], value: deviceMtuBytes },
  { path: ['dataPlane'], value: ({ dataPlane }) => dataPlane ?? null },
  { path: ['manageKernel'], value: ({ manageKernel }) => manageKernel },
  { path: ['controlSocket'], value: ({ controlSocket }) => controlSocket },
  { path: ['log'], value: ({ log }) => log },
]

/** Throws RELOAD_RESTART with the line of everything in `next` that only a restart can change. */
export function refuseRestarts(running: ServerConfig, { server, locate }: LoadedConfig): void {
  const changed = OF_THE_PROCESS.filter(
    ({ value }) => JSON.stringify(value(running)) !== JSON.stringify(value(server)),
  )
  throwProblems(
    changed.map(
      ({ path }) =>
        new BurrowError(
          'RELOAD_RESTART',
          `${path.join('.')} cannot change while the server runs; the old config goes on`,
          locate(path),
        ),
    ),
  )
}
