import type { Command } from 'commander'
import { askControlSocket } from '../../runtime/node/control-socket.ts'
import type { ReloadReport } from '../../runtime/reload.ts'
import { controlSocketOf } from '../control.ts'

/** A directory may be asked about every live session. */
const ANSWER_MS = 110_000

interface Options {
  readonly enforce?: boolean
  readonly config?: string
  readonly socket?: string
  readonly json?: boolean
}

export function addReload(program: Command): void {
  program
    .command('reload')
    .description(
      'let a server that runs on this host read its config again, as SIGHUP does; nobody is dropped',
    )
    .option(
      '--enforce',
      'look at every live session, too: who would be let in no more is ended, the others pass to the new config',
    )
    .option('-c, --config <file>', 'the config of that server, where it names another control socket')
    .option('--socket <path>', 'its control socket')
    .option('--json', 'print as JSON')
    .action(async ({ enforce = false, json, ...server }: Options) => {
      const socket = await controlSocketOf(server)
      const report = (await askControlSocket(
        socket,
        'reload',
        { enforce },
        { timeoutMs: ANSWER_MS },
      )) as ReloadReport
      process.stdout.write(json === true ? `${JSON.stringify(report, null, 2)}\n` : describe(report))
    })
}

function describe({ generation, warnings, untouched, passed, lost, enforced }: ReloadReport): string {
  const sessions = (count: number) => `${count} session${count === 1 ? '' : 's'}`
  return [
    ...warnings.map(text => `warning: ${text}`),
    `the config is read; what begins from now on is served by generation ${generation}`,
    ...(enforced === undefined
      ? [`${sessions(untouched)} of before go on as they began`]
      : [
          `${sessions(enforced.stayed)} may stay, ${enforced.ended} ended`,
          ...(enforced.unclear > 0
            ? [`of those that stay, nobody could tell of ${enforced.unclear} whether the user still may`]
            : []),
        ]),
    ...(passed + lost > 0
      ? [`${sessions(passed)} of the oldest generation passed on, ${lost} could not and ended`]
      : []),
    '',
  ].join('\n')
}
