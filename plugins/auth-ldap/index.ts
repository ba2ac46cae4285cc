/** Authenticates and authorises users of a directory: OpenLDAP, Active Directory, FreeIPA. */
import { BurrowError, type Call, definePlugin, type Proof, readTlsFiles, USERS } from 'burrow'
import { BindFailures } from './bind-failures.ts'
import { BindPool } from './bind-pool.ts'
import { Budget } from './budget.ts'
import { Options } from './config.ts'
import type { Connection, TlsOptions } from './connection.ts'
import { Discovery } from './discovery.ts'
import type { Entry } from './entry.ts'
import { EntryCache } from './entry-cache.ts'
import { causeOf, ServiceRefused, Unavailable } from './failures.ts'
import { type DirectoryParts, Login } from './login.ts'
import { parseName } from './names.ts'
import { methodsOf, planOf } from './plan.ts'
import { Servers } from './servers.ts'
import { ServiceLink } from './service-link.ts'

const NAME = 'auth-ldap'
/** Less than the hooks allow (10 s and 5 s), so that it gives up by itself and says why. */
const LOGIN_MS = 9000
const REVALIDATION_MS = 4500

export default definePlugin({
  name: NAME,
  provides: [USERS],
  config: Options,
  setup(context, options) {
    const { hooks, log, clock, random, configDir, server, provide, shared } = context
    const plan = planOf(options)
    // Kept over reloads, or a reload would give everybody who guesses another few tries.
    const failures = shared('bind-failures', () => new BindFailures(clock))
    const cache = new EntryCache<Entry>(clock, options.cacheEntries, options.cacheForS * 1000)
    let tls: TlsOptions | undefined
    let methods: DirectoryParts['methods'] = []
    let directory: Directory | undefined

    const check = () => {
      methods = methodsOf(plan, server.authMethods)
      const { serverName } = options
      tls ??= {
        ...readTlsFiles(options, { configDir, log, code: 'LDAP_CONFIG' }),
        ...(serverName === undefined ? {} : { serverName }),
      }
    }

    const open = (): Directory => {
      const { srv, urls = [], startTls, connectTimeoutMs, deadTimeMs, service, timeoutMs } = options
      const known = () => urls
      const list =
        srv === undefined
          ? known
          : new Discovery({ service: plan.defaults.service, ...srv }, { clock, random, log }).list
      const servers = new Servers({
        clock,
        log,
        list,
        deadTimeMs,
        connection: { clock, startTls, tls: tls ?? {}, connectTimeoutMs },
      })
      const pool = new BindPool(servers, options)
      const identify = (connection: Connection) => identifyBy(service, connection, timeoutMs)
      return { pool, link: service === undefined ? undefined : new ServiceLink(servers, identify) }
    }

    const login = async (user: string, proof: Proof, call: Call) => {
      const name = parseName(user, options)
      if (name === 'elsewhere') return undefined
      const wanted =
        options.unknownUser === 'next' ? undefined : ({ kind: 'reject', reason: 'unknown user' } as const)
      if (name === 'nobody') return wanted
      if (directory === undefined)
        return { kind: 'unavailable', reason: 'the plugin is not started' } as const
      return await new Login(partsOf(directory, LOGIN_MS), name).prove(proof, call)
    }

    const partsOf = ({ pool, link }: Directory, totalMs: number): DirectoryParts => ({
      plan,
      methods,
      pool,
      link,
      failures,
      cache,
      random,
      wallTimeMs: () => clock.wallTimeMs(),
      newBudget: () => new Budget(clock, totalMs),
    })

    provide(USERS, { verify: (user, proof, signal) => login(user, proof, { signal, dryRun: false }) })
    if (options.serves === 'logins')
      hooks.authenticate.tapPromise(NAME, call => login(call.user, call.proof, call))

    hooks.revalidate.tapPromise(NAME, async ({ user }) => {
      const name = parseName(user, options)
      if (typeof name === 'string' || directory === undefined) return undefined
      const { link } = directory
      if (link === undefined)
        return { kind: 'unavailable', reason: 'nobody can look it up: there is no `service`' }
      return new Login(partsOf(directory, REVALIDATION_MS), name).mayStay(link)
    })

    return {
      check,
      verifies: () => methods,
      async start() {
        directory = open()
        const { link } = directory
        if (link === undefined) return
        try {
          await link.connection(new Budget(clock, REVALIDATION_MS))
        } catch (error) {
          if (!(error instanceof Unavailable)) throw error
          if (error.serviceRefused) throw new BurrowError('LDAP_SERVICE', error.message)
          // It may come back, and others may be let in meanwhile.
          log.error({ reason: causeOf(error) }, 'no directory server can be reached')
        }
      },
      stop() {
        directory?.link?.stop()
        directory?.pool.stop()
      },
    }
  },
})

interface Directory {
  readonly pool: BindPool
  readonly link: ServiceLink | undefined
}

async function identifyBy(
  service: Options['service'],
  connection: Connection,
  timeoutMs: number,
): Promise<void> {
  if (service === undefined || 'anonymous' in service) return
  const answer =
    'external' in service
      ? await connection.bindExternal(timeoutMs)
      : await connection.bind(service.dn, service.password, timeoutMs)
  if (answer.kind === 'wrong') throw new ServiceRefused(connection.server, answer.text)
}
