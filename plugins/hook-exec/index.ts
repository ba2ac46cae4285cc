/** Hooks answered by a program in any language: JSON on its standard input, a verdict on its standard output. */
import { BoundedLog, definePlugin, tapJson } from 'burrow'
import { Options } from './config.ts'
import { Each } from './each.ts'
import { Pool } from './pool.ts'
import { findProgram, type Program } from './program.ts'
import type { Runner, RunnerParts } from './runner.ts'

const NAME = 'hook-exec'

const RUNNERS: Readonly<Record<Options['mode'], new (parts: RunnerParts) => Runner>> = {
  each: Each,
  pooled: Pool,
}

const LOG = { windowMs: 10_000, linesPerWindow: 20 }

export default definePlugin({
  name: NAME,
  config: Options,
  setup(context, options) {
    const { log, clock, random, configDir } = context
    const lines = new BoundedLog(log, clock, LOG)
    let program: Program | undefined
    const find = () => {
      program ??= findProgram(options, configDir)
      return program
    }
    const runner = new RUNNERS[options.mode]({
      program: find,
      clock,
      random,
      processes: options.processes,
      callsPerProcess: options.callsPerProcess ?? 1,
      waitingCalls: options.waitingCalls,
      maxOutputBytes: options.maxOutputBytes,
      said: (pid, text) => lines.warn('the program wrote to standard error', { pid, text }),
      ended: (pid, how, restartMs) =>
        lines.warn('a process of the program ended; another takes its place', { pid, how, restartMs }),
    })
    return {
      ...tapJson(context, NAME, options, call => runner.ask(call)),
      check: () => {
        const { file, isWritableByGroup } = find()
        if (isWritableByGroup) log.warn({ file }, 'the program can be changed by its group; chmod g-w it')
      },
      start: () => {
        find()
        return runner.start()
      },
      stop: async () => {
        await runner.stop()
        lines.close()
      },
    }
  },
})
