import { z } from 'burrow'

const MEBIBYTE = 2 ** 20

export const Options = z.strictObject({
  spool: z
    .string()
    .min(1)
    .describe('Folder for what no server has taken yet; its own, relative to the folder of the config.'),
  pool: z
    .string()
    .min(1)
    .optional()
    .describe('Pool of RADIUS servers, by its name in radius-client; its first one when absent.'),
  sync: z
    .enum(['never', 'each'])
    .default('never')
    .describe('`each`: wait until the disk has a record; `never`: leave that to the kernel.'),
  maxSpoolBytes: z
    .number()
    .int()
    .min(MEBIBYTE)
    // All of it is read at the start, which has a deadline.
    .max(256 * MEBIBYTE)
    .default(128 * MEBIBYTE)
    .describe('What the folder may take; beyond, the least important of the oldest records is lost.'),
  waitingRecords: z
    .number()
    .int()
    .min(1)
    .max(1_000_000)
    .default(10_000)
    .describe('Kept in memory while the disk takes none; beyond, records are lost.'),
  inFlight: z
    .number()
    .int()
    .min(1)
    .max(4096)
    .default(32)
    .describe('Records on their way at a time, each of another session.'),
  onOff: z
    .boolean()
    .default(true)
    .describe(
      'Accounting-On at the start and Accounting-Off at the end; `false` for servers that answer neither.',
    ),
})
export type Options = z.output<typeof Options>
