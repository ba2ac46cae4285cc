import { z } from 'burrow'

export const Options = z.strictObject({
  file: z.string().min(1).describe('Records are appended here; relative to the folder of the config.'),
  sync: z
    .enum(['never', 'each'])
    .default('never')
    .describe('`each`: wait until the disk has a record; `never`: leave that to the kernel.'),
  waitingRecords: z
    .number()
    .int()
    .min(1)
    .max(1_000_000)
    .default(10_000)
    .describe('Kept in memory while the file cannot be written; beyond, the oldest is lost.'),
})
export type Options = z.output<typeof Options>
