import type { Logger } from '../ports.ts'
import type { Kernel } from './node/kernel.ts'
import type { ServerConfig } from './server-config.ts'
import type { UndoStack } from './undo-stack.ts'

/** Sets what the kernel needs to forward, or says what is to be set. */
export function prepareForwarding(
  kernel: Pick<Kernel, 'checkForwarding' | 'mend'>,
  { tun, ppp, manageKernel }: Pick<ServerConfig, 'tun' | 'ppp' | 'manageKernel'>,
  log: Logger,
  opened: UndoStack,
): void {
  const findings = kernel.checkForwarding(tun.name, ppp)
  if (manageKernel) {
    const mended = kernel.mend(findings)
    opened.push('the kernel settings', () => mended.undo())
    for (const { setting, is, wanted, why } of findings)
      log.info({ setting, was: is, now: wanted, why }, 'kernel setting changed; it is restored at the end')
    return
  }
  for (const { setting, is, wanted, why, command } of findings)
    log.warn({ setting, is, wanted }, `${why}: run \`${command}\`, or set manageKernel: true`)
}
