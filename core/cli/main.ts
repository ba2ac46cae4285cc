#!/usr/bin/env node
import { Command, CommanderError } from 'commander'
import { BurrowError } from '../errors.ts'
import { addCheck } from './commands/check.ts'
import { addConnect } from './commands/connect.ts'
import { addDemo } from './commands/demo.ts'
import { addServe } from './commands/serve.ts'
import { addSessions } from './commands/sessions.ts'
import { VERSION } from './package-root.ts'
import { asBurrowError, describeError, EXIT, EXIT_HELP, exitCodeOf } from './report.ts'

/** What may still be open when a command is done gets this long. */
const LINGER_MS = 2000

const program = new Command('burrow')
  .description('A plugin-based L2TP LNS and client.')
  .version(VERSION)
  .option('--debug', 'log more, and print stacks')
  .addHelpText('after', EXIT_HELP)
  .exitOverride()
  // Told below, with its code.
  .configureOutput({ outputError: () => {} })
for (const add of [addServe, addConnect, addSessions, addCheck, addDemo]) add(program)

process.exitCode = await run()
setTimeout(() => process.exit(), LINGER_MS).unref()

async function run(): Promise<number> {
  try {
    await program.parseAsync()
    return EXIT.ok
  } catch (thrown) {
    const error = thrown instanceof CommanderError ? usageError(thrown) : asBurrowError(thrown)
    if (error === undefined) return EXIT.ok
    process.stderr.write(describeError(error, program.opts().debug === true))
    return exitCodeOf(error)
  }
}

/** Help and version that were asked for are no errors. */
function usageError({ exitCode, message }: CommanderError): BurrowError | undefined {
  if (exitCode === 0) return undefined
  return new BurrowError('USAGE', message.replace(/^error: /, ''))
}
