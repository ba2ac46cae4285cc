import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { BurrowError } from '../../errors.ts'

/** linux/capability.h */
const CAP_NET_ADMIN_BIT = 12n

function hasNetAdmin(): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  return effective !== undefined && ((BigInt(`0x${effective}`) >> CAP_NET_ADMIN_BIT) & 1n) === 1n
}

/** Fails before anything is opened when this process cannot make a TUN device; `command` is what was run. */
export function requireTunPrivileges(command: string): void {
  if (process.platform !== 'linux') {
    throw new BurrowError('PLATFORM', `Burrow's data plane needs Linux; this is ${process.platform}`)
  }
  if (!hasNetAdmin()) {
    throw new BurrowError(
      'NO_ROOT',
      `\`burrow ${command}\` makes a TUN device and routes, for which it needs CAP_NET_ADMIN; user id ${process.geteuid?.()} runs it without. ` +
        `Go on with \`sudo npx burrow ${command}\`; \`npx burrow check\` needs no rights`,
    )
  }
  const device = '/dev/net/tun'
  if (!existsSync(device)) throw new BurrowError('NO_TUN', `${device} does not exist`)
  try {
    accessSync(device, constants.R_OK | constants.W_OK)
  } catch (cause) {
    throw new BurrowError(
      'NO_TUN',
      `${device} cannot be opened for reading and writing`,
      { file: device },
      { cause },
    )
  }
}
