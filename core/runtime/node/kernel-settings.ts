import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { BurrowError } from '../../errors.ts'
import type { KernelFinding, Undo } from './kernel.ts'

const ROOT = '/proc/sys'
/** Documentation/networking/ip-sysctl.rst, rp_filter: 1 is strict, 2 loose; the larger of `all` and the device's counts. */
const STRICT = 1

export function checkForwarding(tunName: string): readonly KernelFinding[] {
  const findings: KernelFinding[] = []
  const forward = ['net', 'ipv4', 'ip_forward']
  if (read(forward) !== '1')
    findings.push(
      finding(forward, '1', 'the kernel forwards nothing between the sessions and other networks'),
    )
  const conf = (device: string) => ['net', 'ipv4', 'conf', device, 'rp_filter']
  const own = conf(tunName)
  // A device that is still to be made begins with the default.
  const ofTun = existsSync(fileOf(own)) ? own : conf('default')
  if (Math.max(Number(read(conf('all'))), Number(read(ofTun))) === STRICT)
    findings.push(
      finding(own, '2', 'the kernel drops what comes from addresses that are not routed to the sessions'),
    )
  return findings
}

export function mend(findings: readonly KernelFinding[]): Undo {
  const done: KernelFinding[] = []
  const undo = () => {
    for (const { file, is } of done.splice(0).reverse()) {
      // A device that is gone has no settings to restore.
      if (existsSync(file)) writeFileSync(file, is)
    }
  }
  for (const entry of findings) {
    try {
      writeFileSync(entry.file, entry.wanted)
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

function finding(path: readonly string[], wanted: string, why: string): KernelFinding {
  // sysctl(8) takes the dots of a device's name as slashes.
  const setting = path.map(part => part.replaceAll('.', '/')).join('.')
  const command = `sysctl -w ${setting}=${wanted}`
  return { setting, file: fileOf(path), is: read(path), wanted, why, command }
}

function fileOf(path: readonly string[]): string {
  return [ROOT, ...path].join('/')
}

/** Empty where there is no such setting. */
function read(path: readonly string[]): string {
  const file = fileOf(path)
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : ''
}
