import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { PortsName } from '../../dataplane/data-plane.ts'
import type { SocketAddress } from '../../ports.ts'
import { checkedArguments } from '../../runtime/control-arguments.ts'
import {
  type ControlAnswer,
  DEFAULT_CONTROL_SOCKET,
  openControlSocket,
} from '../../runtime/node/control-socket.ts'
import { createLogger, type LogLevel } from '../../runtime/node/logger.ts'
import { requireTunPrivileges } from '../../runtime/node/privileges.ts'
import { ReloadOptions } from '../../runtime/reload.ts'
import { socketText } from '../../wire/socket-text.ts'
import { surviveFaults } from '../faults.ts'
import { SAMPLE_CONFIG } from '../package-root.ts'
import type { LoadedConfig } from '../server.ts'
import { stopSignal } from '../signals.ts'
import { dataPlaneOption, thisMachine, traceTo } from '../world.ts'

interface Options {
  readonly config: string
  readonly trace?: string
  readonly dataplane?: PortsName
}

export function addServe(program: Command): void {
  program
    .command('serve')
    .description(
      'serve as an LNS until SIGTERM or SIGINT, a second one ends at once; SIGHUP reads the config again',
    )
    .option('-c, --config <file>', 'config file; without it the sample of the package', SAMPLE_CONFIG)
    .option('--trace <file>', 'append each control datagram to a file, passwords masked')
    .addOption(dataPlaneOption())
    .action(async (options: Options, command: Command) => {
      await serve(options, command.optsWithGlobals().debug === true ? 'debug' : undefined)
    })
}

async function serve(
  { config: file, trace, dataplane }: Options,
  level: LogLevel | undefined,
): Promise<void> {
  const { loadConfig, Lns } = await import('../server.ts')
  const config = await loadConfig(file)
  requireTunPrivileges('serve')
  const { log: logOptions, controlSocket } = config.server
  const log = createLogger({
    level: level ?? logOptions.level,
    ...(logOptions.format === undefined ? {} : { format: logOptions.format }),
  })
  surviveFaults(log)
  const lns = new Lns(config, thisMachine(log, traceTo(trace), dataplane))
  // From here on a signal stops in order; what the boot opens is closed again.
  const stop = stopSignal(['SIGINT', 'SIGTERM'])
  const reload = (options: ReloadOptions) =>
    lns
      .reload(() => loadConfig(file), options)
      .catch(error => {
        for (const one of [error, ...(error.also ?? [])])
          log.error({ error: one }, 'the config is not taken, the old one goes on')
        throw error
      })
  // The log has the error.
  process.on('SIGHUP', () => void reload({ enforce: false }).catch(() => {}))
  await lns.start()
  const answers = new Map<string, ControlAnswer>([
    ['sessions', () => lns.sessions()],
    ['explain', args => lns.explain(args)],
    ['try', args => lns.dryRun(args)],
    ['policy', () => lns.policy.report()],
    ['askPolicy', args => lns.policy.ask(args)],
    ['reload', args => reload(checkedArguments(ReloadOptions, args))],
  ])
  const control = await openControlSocket(controlSocket, answers).catch(error => {
    log.warn({ error }, 'the other commands, as `burrow sessions`, will not see this server')
    return undefined
  })
  process.stdout.write(greeting(config, lns.listening, control !== undefined))
  const failure = await Promise.race([stop.signalled.then(() => undefined), lns.failed])
  log.info({}, failure === undefined ? 'stopping: every peer is told' : 'stopping: the data plane is down')
  await control?.close()
  await lns.stop()
  stop.off()
  if (failure !== undefined) throw failure
}

function greeting(
  { file, server: { controlSocket } }: LoadedConfig,
  listening: readonly SocketAddress[],
  controlled: boolean,
): string {
  const [first = { address: '127.0.0.1', port: 1701 }] = listening
  const { address, port } = isAny(first.address) ? { address: 'ADDRESS', port: first.port } : first
  const server = port === 1701 ? address : socketText({ address, port })
  const socket = controlSocket === DEFAULT_CONTROL_SOCKET ? '' : ` --socket ${controlSocket}`
  const user = resolve(file) === SAMPLE_CONFIG ? 'hb@hb   (password admin@123)' : 'USER'
  return [
    `Burrow listens on ${listening.map(place => `${socketText(place)}/udp`).join(', ')}, as ${file} says.`,
    `  dial it        npx burrow connect ${server} --user ${user}`,
    ...(controlled ? [`  see sessions   npx burrow sessions${socket}`] : []),
    ...(controlled ? [`  change it      edit the config, then npx burrow reload${socket}`] : []),
    '  stop it        Ctrl-C, or SIGTERM\n',
  ].join('\n')
}

const isAny = (address: string): boolean => address === '0.0.0.0' || address === '::'
