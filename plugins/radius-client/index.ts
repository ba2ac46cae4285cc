/** RADIUS servers, as a capability: whom other plugins ask, and how packets are read and written. */
import { resolve } from 'node:path'
import {
  type BurrowError,
  definePlugin,
  RADIUS,
  type RadiusClient,
  readTlsFiles,
  throwProblems,
} from 'burrow'
import { Asking } from './client.ts'
import { RadiusCodec } from './codec.ts'
import { nameOf, Options, poolsOf, type ServerOptions } from './config.ts'
import { readDictionaries } from './dictionaries/index.ts'
import type { Dictionary } from './dictionary.ts'
import { startServer } from './servers.ts'
import { nasAttributes, sessionAttributes } from './session-attributes.ts'
import type { TlsOptions } from './tls.ts'

export default definePlugin({
  name: 'radius-client',
  provides: [RADIUS],
  config: Options,
  setup(context, options) {
    const { log, configDir, clock, random, provide } = context
    const pools = poolsOf(options)
    const own = nasAttributes(options)
    let dictionary: Dictionary | undefined
    let tls: ReadonlyMap<ServerOptions, TlsOptions> | undefined
    const words = () => {
      dictionary ??= readDictionaries(options.dictionaries.map(file => resolve(configDir, file)))
      return dictionary
    }
    let made: RadiusCodec | undefined
    const codec = () => {
      made ??= new RadiusCodec(words())
      return made
    }
    let asking: Asking | undefined
    const client: RadiusClient = {
      ask: async request => {
        if (asking === undefined) return { kind: 'unavailable', reason: 'the RADIUS client is not started' }
        return asking.ask(request)
      },
      pools: pools.map(({ name }) => name),
      sessionAttributes: session => sessionAttributes(session, options),
      nasAttributes: own,
      decodeRequest: (bytes, secret, wanted) => codec().decodeRequest(bytes, secret, wanted),
      encodeReply: (reply, request, secret) => codec().encodeReply(reply, request, secret),
      knows: attribute => words().has(attribute),
      meant: attribute => words().meant(attribute),
    }
    provide(RADIUS, client)
    return {
      check: () => {
        const servers = new Set(pools.flatMap(pool => pool.servers))
        tls = tlsFiles([...servers])
        // Whatever is wrong with what every packet says is said now.
        codec().encodeRequest(
          { code: 'Status-Server', identifier: 0, attributes: own },
          { secret: 'any', random },
        )
        for (const server of servers) warn(server)
      },
      start: () => {
        const parts = { context, codec: codec(), nasAttributes: own }
        const started = pools.map(({ name, servers }) => ({
          name,
          servers: servers.map(server => startServer(server, tls?.get(server), parts)),
        }))
        asking = new Asking(started, codec(), clock, random)
      },
    }

    function tlsFiles(servers: readonly ServerOptions[]): ReadonlyMap<ServerOptions, TlsOptions> {
      const files = new Map<ServerOptions, TlsOptions>()
      const problems: BurrowError[] = []
      for (const server of servers) {
        if (server.tls === undefined) continue
        const { serverName, ...names } = server.tls
        try {
          const read = readTlsFiles(names, { configDir, log, code: 'RADIUS_SERVER' })
          files.set(server, serverName === undefined ? read : { ...read, serverName })
        } catch (error) {
          problems.push(error as BurrowError)
        }
      }
      throwProblems(problems)
      return files
    }

    function warn(server: ServerOptions): void {
      if (server.requireMessageAuthenticator) return
      log.warn(
        { server: nameOf(server) },
        'answers of this server need no Message-Authenticator and can be forged (BlastRADIUS); update it',
      )
    }
  },
})
