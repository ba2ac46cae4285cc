#!/usr/bin/env node
import { Command, CommanderError } from 'commander'
import { BurrowError } from '../errors.ts'
import { addCheck } from './commands/check.ts'
import { addConnect } from './commands/connect.ts'
import { addDemo } from './commands/demo.ts'
import { addExplain } from './commands/explain.ts'
import { addPlugin } from './commands/plugin.ts'
import { addPolicy } from './commands/policy.ts'
import { addReload } from './commands/reload.ts'
import { addServe } from './commands/serve.ts'
import { addSessions } from './commands/sessions.ts'
import { addTry } from './commands/try.ts'
import { VERSION } from './package-root.ts'
import { asBurrowError, describeError, EXIT, EXIT_HELP, exitCodeOf } from './report.ts'

/** What may still be open when a command is done gets this long. */
const LINGER_MS = 2000

/** Nothing but what was asked for, or wanted, has been printed. */
const HELP: ReadonlySet<string> = new Set(['commander.help', 'commander.helpDisplayed', 'commander.version'])

const program = new Command('burrow')
  .description('A plugin-based L2TP LNS and client.')
  .version(VERSION)
  .option('--debug', 'log more, and print stacks')
  .addHelpText('after', EXIT_HELP)
  .exitOverride()
  // Told below, with its code.
  .configureOutput({ outputError: () => {} })
const COMMANDS = [
  addServe,
  addConnect,
  addSessions,
  addPolicy,
  addExplain,
  addTry,
  addReload,
  addCheck,
  addPlugin,
  addDemo,
]
for (const add of COMMANDS) add(program)

process.exitCode = await run()
setTimeout(() => process.exit(), LINGER_MS).unref()

async function run(): Promise<number> {
  try {
    await program.parseAsync()
    return EXIT.ok
  } catch (thrown) {
    if (thrown instanceof CommanderError && HELP.has(thrown.code))
      return thrown.exitCode === 0 ? EXIT.ok : EXIT.usage
    const error = thrown instanceof CommanderError ? usageError(thrown) : asBurrowError(thrown)
    process.stderr.write(describeError(error, program.opts().debug === true))
    return exitCodeOf(error)
  }
}

function usageError({ message }: CommanderError): BurrowError {
  return new BurrowError('USAGE', message.replace(/^error: /, ''))
}
