import type { Prefix } from '../flow.ts'
import type { InterfaceWays } from '../plugin/interfaces.ts'
import type { Kernel, KernelFinding } from '../runtime/node/kernel.ts'

export interface MemoryKernel {
  readonly kernel: Kernel
  /** What it was asked to do, in order. */
  readonly done: readonly string[]
}

/** The kernel of a host with these addresses: it does nothing, and writes down what it is asked to do. */
export function memoryKernel(
  addresses: readonly string[],
  findings: readonly KernelFinding[] = [],
): MemoryKernel {
  const done: string[] = []
  const undo = (what: string) => ({
    undo: async () => {
      done.push(`undo ${what}`)
    },
  })
  const kernel: Kernel = {
    configureTun: async (name, { address: own = '', peer = '', mtuBytes, routes }) => {
      done.push(`configure ${name} ${own} ${peer} ${mtuBytes} [${routes}]`)
    },
    addIpv6: async (name, { address, routes }) => {
      done.push(`add ${name} ${address} [${routes}]`)
    },
    removeIpv6: async (name, { address, routes }) => {
      done.push(`remove ${name} ${address} [${routes}]`)
    },
    addRoutes: async (name, prefixes) => {
      done.push(`add routes ${name} ${prefixes}`)
    },
    deleteRoutes: async (name, prefixes) => {
      done.push(`delete routes ${name} ${prefixes}`)
    },
    pinHostRoute: async remote => {
      done.push(`pin ${remote}`)
      return undo(`pin ${remote}`)
    },
    localAddressFor: async () => addresses[0] ?? '0.0.0.0',
    checkForwarding: () => findings,
    mend: mended => {
      done.push(`mend ${mended.map(({ setting }) => setting)}`)
      return undo('mend')
    },
    watchOwnAddresses: async (_watch, onChange) => {
      const prefixes = addresses.map(
        (address): Prefix => ({ address, length: address.includes(':') ? 128 : 32 }),
      )
      onChange(prefixes)
      return {
        prefixes,
        refresh: async () => {},
        stop: () => {
          done.push('watch stopped')
        },
      }
    },
    interfaces: () => ['lo', 'eth0', 'eth1'],
    watchRoutes: async (_watch, onChange) => {
      await onChange([])
      return { stop() {} }
    },
    guardInterfaces: async (name, ways) => {
      const named = ({ named }: InterfaceWays) => Object.keys(named)
      done.push(`guard ${name} [${named(ways)}]`)
      return {
        means: 'nftables',
        tables: undefined,
        change: async next => {
          done.push(`guard ${name} [${named(next)}]`)
        },
        close: async () => {
          done.push(`undo guard ${name}`)
        },
      }
    },
    removeGuard: async () => {},
    nftProblem: async () => undefined,
  }
  return { kernel, done }
}
