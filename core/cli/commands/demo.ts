import type { Command } from 'commander'
import { BurrowError } from '../../errors.ts'
import { requireTunPrivileges } from '../../runtime/node/privileges.ts'
import { drawLadder } from '../demo/ladder.ts'
import { type CallResult, play } from '../demo/scenario.ts'
import { Steps } from '../demo/steps.ts'
import { World } from '../demo/world.ts'
import { EXIT } from '../report.ts'

export function addDemo(program: Command): void {
  program
    .command('demo')
    .description('play the reference scenario in network namespaces of its own; leaves nothing behind')
    .option('--json', 'print as JSON what was done and seen')
    .action(demo)
}

async function demo({ json }: { readonly json?: boolean }): Promise<void> {
  requireTunPrivileges('demo')
  if (process.geteuid?.() !== 0)
    throw new BurrowError('NO_ROOT', '`burrow demo` makes network namespaces, which needs root')
  const world = new World()
  const remove = () => world.remove()
  process.on('exit', remove)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => process.exit(EXIT.interrupted))

  const print = (text: string) => void process.stdout.write(text)
  // With --json, standard output is the answer's alone.
  const steps = new Steps(json === true ? text => void process.stderr.write(text) : print)
  let calls: readonly CallResult[] = []
  await steps.step('the scenario', async () => {
    calls = await play(world, steps)
    return 'played to its end'
  })
  await steps.step('everything is removed', () => {
    world.remove()
    return world.leftovers()
  })
  if (json === true)
    print(`${JSON.stringify({ ok: steps.failed.length === 0, steps: steps.results, calls }, null, 2)}\n`)
  else
    for (const { method, ladder } of calls)
      print(`\nThe exchange with ${method.toUpperCase()}:\n\n${drawLadder(ladder)}`)
  if (steps.failed.length > 0)
    throw new BurrowError('DEMO_DIFFERS', `${steps.failed.length} of ${steps.results.length} steps`)
}
