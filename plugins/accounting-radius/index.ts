/** Tells RADIUS servers the start, each update and the end of a session (RFC 2866), over crashes and outages. */
import { accessSync, constants, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { BoundedLog, BurrowError, definePlugin, RADIUS } from 'burrow'
import { Accounting, type Identity, type User } from './accounting.ts'
import { classesOf, sessionRecord, type Told } from './attributes.ts'
import { Options } from './config.ts'

const NAME = 'accounting-radius'

export default definePlugin({
  name: NAME,
  requires: [RADIUS],
  config: Options,
  setup({ id, hooks, log, clock, random, configDir, shared }, options, radius) {
    const folder = resolve(configDir, options.spool)
    const accounting = shared(
      folder,
      () => new Accounting({ folder, clock, random, log }),
      made => made.close(),
    )
    let user: User | undefined
    const put = (told: Told) => accounting.put(sessionRecord(told, radius, clock.wallTimeMs()))
    const notes = new BoundedLog(log, clock)
    hooks.sessionUp.tapPromise(NAME, event => {
      const classes = (event.grant.classes ?? []).filter(hex => hex !== '')
      const told = classesOf(event.grant).length
      if (told < classes.length)
        notes.warn('a Class of a user is left out of the accounting', {
          user: event.grant.user,
          told,
          of: classes.length,
        })
      return put({ event: 'start', ...event })
    })
    hooks.sessionUpdate.tapPromise(NAME, event => put({ event: 'interim', ...event }))
    hooks.sessionDown.tapPromise(NAME, event => put({ event: 'stop', ...event }))
    return {
      check: () => {
        checkFolder(folder)
        checkPool(options.pool, radius.pools)
      },
      start: () => {
        const who = JSON.stringify(radius.nasAttributes, (_key, value) =>
          typeof value === 'bigint' ? `${value}n` : value,
        )
        const identity: Identity = shared(`NAS ${who}`, () => new Set())
        user = { id, radius, options, identity }
        return accounting.join(user)
      },
      stop: () => {
        notes.close()
        return user === undefined ? undefined : accounting.leave(user)
      },
    }
  },
})

/** It is made at the start. */
function checkFolder(folder: string): void {
  try {
    const found = statSync(folder, { throwIfNoEntry: false })
    if (found !== undefined && !found.isDirectory()) throw new Error(`${folder} is no folder`)
    accessSync(found === undefined ? dirname(folder) : folder, constants.W_OK | constants.X_OK)
  } catch (cause) {
    throw new BurrowError('ACCOUNTING_SPOOL', (cause as Error).message, { file: folder }, { cause })
  }
}

function checkPool(pool: string | undefined, pools: readonly string[]): void {
  if (pool !== undefined && !pools.includes(pool))
    throw new BurrowError('PLUGIN_OPTIONS', `radius-client has no pool "${pool}", but ${pools.join(', ')}`)
}
