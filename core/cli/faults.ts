import type { Logger } from '../ports.ts'

/**
 * What is thrown where nobody can catch it (a plugin's own timer, a closed standard output) is logged, and the process
 * goes on: the endpoint guards its own state, and a fault of one part must not end every session.
 */
export function surviveFaults(log: Logger): void {
  process.on('uncaughtException', error => log.error({ error }, 'an error that nobody caught'))
  process.on('unhandledRejection', error => log.error({ error }, 'a promise whose failure nobody looked at'))
}
