import { JSON_HOOK_OPTIONS, z } from 'burrow'

const Word = z.string().regex(/^[^\0]*$/, 'expected text without NUL')
const Variable = z.string().regex(/^[A-Za-z_]\w*$/, 'expected the name of a variable')

export const Options = z
  .strictObject({
    command: z
      .tuple([Word.min(1)], Word)
      .describe(
        'The program and its arguments; no shell. With a "/", relative to the folder of the config; else of PATH.',
      ),
    ...JSON_HOOK_OPTIONS,
    mode: z
      .enum(['each', 'pooled'])
      .default('each')
      .describe(
        '`each`: one process for each call; `pooled`: processes that stay, and read one call a line.',
      ),
    processes: z
      .number()
      .int()
      .min(1)
      .max(256)
      .default(4)
      .describe('`each`: at most so many at once; `pooled`: so many.'),
    callsPerProcess: z
      .number()
      .int()
      .min(1)
      .max(1024)
      .exactOptional()
      .describe('`pooled` only: calls that one process has in hand at once. Default: 1.'),
    env: z.record(Variable, Word).default({}).describe('Variables of the program; may be secrets.'),
    inheritEnv: z
      .array(Variable)
      .default(['PATH', 'LANG'])
      .describe("Names of Burrow's own variables that the program gets too; no other."),
    cwd: Word.min(1).default('.').describe('Where it runs; relative to the folder of the config.'),
    maxOutputBytes: z
      .number()
      .int()
      .min(64)
      .max(16 * 1024 * 1024)
      .default(65_536)
      .describe('Of one answer.'),
  })
  .superRefine(({ mode, callsPerProcess }, context) => {
    if (mode === 'pooled' || callsPerProcess === undefined) return
    const message = 'expected `mode: pooled` beside it'
    context.addIssue({ code: 'custom', path: ['callsPerProcess'], message })
  })
export type Options = z.output<typeof Options>
