import type { Command } from 'commander'
import { askControlSocket } from '../../runtime/node/control-socket.ts'
import type { SessionRow } from '../../runtime/session-rows.ts'
import { controlSocketOf } from '../control.ts'
import { table } from '../table.ts'

interface Options {
  readonly config?: string
  readonly socket?: string
  readonly json?: boolean
}

export function addSessions(program: Command): void {
  program
    .command('sessions')
    .description('show who is in, of a server that runs on this host')
    .option('-c, --config <file>', 'the config of that server, where it names another control socket')
    .option('--socket <path>', 'its control socket')
    .option('--json', 'print as JSON')
    .action(async ({ json, ...server }: Options) => {
      const path = await controlSocketOf(server)
      const rows = (await askControlSocket(path, 'sessions')) as readonly SessionRow[]
      process.stdout.write(json === true ? `${JSON.stringify(rows, null, 2)}\n` : describe(rows))
    })
}

const HEADS = [
  'USER',
  'ADDRESS',
  'PEER',
  'PROTECTION',
  'HOST',
  'TUNNEL',
  'SESSION',
  'PHASE',
  'SINCE',
  'IN',
  'OUT',
  'DROPPED',
]

function describe(rows: readonly SessionRow[]): string {
  if (rows.length === 0) return 'nobody is in\n'
  return table(
    HEADS,
    rows.map(row => [
      row.user || '-',
      row.address || '-',
      row.peer,
      row.protection || '-',
      row.host,
      row.tunnel,
      row.session,
      row.phase,
      duration(row.seconds),
      octets(Number(row.octetsIn)),
      octets(Number(row.octetsOut)),
      Object.entries(row.drops)
        .map(([reason, count]) => `${reason}:${count}`)
        .join(' ') || '-',
    ]),
  )
}

function duration(seconds: number): string {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60]
  return hours > 0 ? `${hours}h${minutes}m` : minutes > 0 ? `${minutes}m${seconds % 60}s` : `${seconds}s`
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const

function octets(count: number): string {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(count, 1)) / 3))
  return `${power === 0 ? count : (count / 1000 ** power).toFixed(1)} ${UNITS[power]}`
}
