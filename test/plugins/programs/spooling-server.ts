/**
 * accounting-radius in a process that is killed while it spools: sessions come and go without end. Each record that
 * the plugin has acknowledged stands on stdout, and each that a server took. Its arguments are the folder of the config,
 * and whether servers take records: `takes`, `silent`, or the options of a radius-client that asks real ones.
 */
import { nodeClock } from '../../../core/runtime/node/clock.ts'
import { startPlugin } from '../../../core/testing/plugin-harness.ts'
import { anEnd, aSession } from '../../../core/testing/samples.ts'
import type { VirtualClock } from '../../../core/testing/virtual-clock.ts'
import accountingRadius from '../../../plugins/accounting-radius/index.ts'
import { AccountingServer } from '../../support/accounting-server.ts'
import { radiusClientWith } from '../../support/radius-client.ts'

const [configDir = '', mode = ''] = process.argv.slice(2)
const SESSIONS = 20

const say = (line: string) => process.stdout.write(`${line}\n`)
const server = new AccountingServer()
server.takes = async told => {
  if (mode !== 'takes') return false
  say(`taken ${told.status} ${told.session} ${told.one('Acct-Input-Octets') ?? 0}`)
  return true
}
const plugin = await startPlugin({ after: () => {} }, accountingRadius, {
  options: { spool: 'spool', maxSpoolBytes: 2 ** 20 },
  configDir,
  ...(mode.startsWith('{')
    ? { before: [radiusClientWith(JSON.parse(mode))], clock: nodeClock as unknown as VirtualClock }
    : { before: [server.plugin] }),
})

async function live(name: string): Promise<void> {
  for (let turn = 0; ; turn++) {
    const session = aSession({ id: `${name}-${turn}` })
    const at = (octetsIn: bigint) =>
      anEnd(session, { counters: { packetsIn: 0n, octetsIn, packetsOut: 0n, octetsOut: 0n, drops: {} } })
    say(`begun Start ${session.id}`)
    await plugin.tell('sessionUp', at(0n))
    say(`kept Start ${session.id}`)
    for (let update = 1n; update <= 3n; update++) {
      await plugin.tell('sessionUpdate', at(update))
      say(`kept Interim-Update ${session.id} ${update}`)
    }
    await plugin.tell('sessionDown', at(4n))
    say(`kept Stop ${session.id}`)
  }
}

for (let index = 0; index < SESSIONS; index++) void live(`${process.pid}.${index}`)
