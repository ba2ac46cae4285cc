/** Keeps a record of each session as lines of JSON: replace the file by whatever keeps your records. */
import { appendFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { definePlugin, type SessionUp, type SessionUpdate, z } from 'burrow'

export default definePlugin({
  name: 'my-plugin',
  config: z.strictObject({
    file: z.string().min(1).default('sessions.jsonl').describe('Where records go, relative to the config.'),
  }),
  setup({ hooks, log, configDir, shared }, { file }) {
    const path = resolve(configDir, file)
    // The old and the new config of a reload write one after the other.
    const queue = shared(path, () => ({ last: Promise.resolve() }))
    const keep = (event: string, { session, grant, counters }: SessionUp & Partial<SessionUpdate>) => {
      const record = { event, session: session.id, user: grant.user, octetsIn: counters?.octetsIn }
      const line = JSON.stringify(record, (_key, value) =>
        typeof value === 'bigint' ? Number(value) : value,
      )
      queue.last = queue.last
        .then(() => appendFile(path, `${line}\n`))
        // No session depends on its record: say so, and go on.
        .catch(error => log.error({ error, session: session.id }, 'a record is lost'))
      return queue.last
    }
    hooks.sessionUp.tapPromise('start', told => keep('start', told))
    hooks.sessionUpdate.tapPromise('interim', told => keep('interim', told))
    hooks.sessionDown.tapPromise('stop', told => keep('stop', told))
    return { stop: () => queue.last }
  },
})
