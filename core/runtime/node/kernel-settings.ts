import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { BurrowError } from '../../errors.ts'
import type { KernelFinding, Undo } from './kernel.ts'

const FORWARD = 'net.ipv4.ip_forward'
const FORWARD_IPV6 = 'net.ipv6.conf.all.forwarding'
/** Documentation/networking/ip-sysctl.rst, rp_filter: 1 is strict, 2 loose; the larger of `all` and the device's counts. */
const STRICT = 1

export function checkForwarding(
  tunName: string,
  { ipv6 }: { readonly ipv6: boolean },
): readonly KernelFinding[] {
  const findings: KernelFinding[] = []
  if (read(FORWARD) !== '1')
    findings.push(
      finding(FORWARD, '1', 'the kernel forwards nothing between the sessions and other networks'),
    )
  if (ipv6 && read(FORWARD_IPV6) !== '1')
    findings.push(
      finding(
        FORWARD_IPV6,
        '1',
        'the kernel forwards no IPv6 (an interface that takes its own address from a router then wants accept_ra=2)',
      ),
    )
  const own = reversePath(tunName)
  // A device that is still to be made begins with the default.
  const ofTun = existsSync(fileOf(own)) ? own : reversePath('default')
  if (Math.max(Number(read(reversePath('all'))), Number(read(ofTun))) === STRICT)
    findings.push(
      finding(own, '2', 'the kernel drops what comes from addresses that are not routed to the sessions'),
    )
  return findings
}

export function mend(findings: readonly KernelFinding[]): Undo {
  const done: KernelFinding[] = []
  const undo = () => {
    for (const { setting, is } of done.splice(0).reverse()) {
      // A device that is gone has no settings to restore.
      if (existsSync(fileOf(setting))) writeFileSync(fileOf(setting), is)
    }
  }
  for (const entry of findings) {
    try {
      writeFileSync(fileOf(entry.setting), entry.wanted)
    } catch (cause) {
      undo()
      throw new BurrowError(
        'KERNEL_SETTING',
        `${entry.setting} cannot be set; run: ${entry.command}`,
        {},
        { cause },
      )
    }
    done.push(entry)
  }
  return { undo: async () => undo() }
}

function finding(setting: string, wanted: string, why: string): KernelFinding {
  return { setting, is: read(setting), wanted, why, command: `sysctl -w ${setting}=${wanted}` }
}

/** sysctl(8) wants a dot in a device's name as a slash, so that dots separate. */
function reversePath(device: string): string {
  return `net.ipv4.conf.${device.replaceAll('.', '/')}.rp_filter`
}

function fileOf(setting: string): string {
  const path = setting.split('.').map(part => part.replaceAll('/', '.'))
  return ['/proc/sys', ...path].join('/')
}

/** Empty where there is no such setting. */
function read(setting: string): string {
  const file = fileOf(setting)
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : ''
}
