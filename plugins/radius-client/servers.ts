/** From the options to servers with their links, which reloads of the config keep. */
import { createHash } from 'node:crypto'
import { BoundedLog, type PluginContext, type RadiusAttribute } from 'burrow'
import type { OpenChannel } from './channel.ts'
import type { Server } from './client.ts'
import type { RadiusCodec } from './codec.ts'
import { nameOf, type ServerOptions } from './config.ts'
import { sameForm } from './ipv6.ts'
import { Link } from './link.ts'
import { type TlsOptions, tlsChannel } from './tls.ts'
import { udpChannel } from './udp.ts'

interface ServerParts {
  readonly context: PluginContext
  readonly codec: RadiusCodec
  readonly nasAttributes: readonly RadiusAttribute[]
}

const AUTH_PORT = 1812
const ACCT_PORT = 1813
const RADSEC_PORT = 2083

/** A server; `tls` are the files of one over TLS. */
export function startServer(options: ServerOptions, tls: TlsOptions | undefined, parts: ServerParts): Server {
  const {
    priority,
    weight,
    timeoutMs,
    authPort = AUTH_PORT,
    acctPort = ACCT_PORT,
    port = RADSEC_PORT,
  } = options
  const { address, localAddress } = options
  const name = nameOf(options)
  const common = { address: sameForm(address), ...(localAddress === undefined ? {} : { localAddress }) }
  const link = (at: number, stream: boolean, open: OpenChannel) =>
    sharedLink(`${name} port ${at}`, { options, tls, stream, open, at }, parts)
  if (tls !== undefined) {
    const one = link(port, true, tlsChannel({ ...common, port, ...tls }))
    return { name, priority, weight, timeoutMs, links: { 'Access-Request': one, 'Accounting-Request': one } }
  }
  const udp = (at: number) => link(at, false, udpChannel({ ...common, port: at }))
  const links = { 'Access-Request': udp(authPort), 'Accounting-Request': udp(acctPort) }
  return { name, priority, weight, timeoutMs, links }
}

interface LinkTarget {
  readonly options: ServerOptions
  readonly tls: TlsOptions | undefined
  readonly stream: boolean
  readonly open: OpenChannel
  readonly at: number
}

/** The same for the same options, over reloads; other options are another link, and the old one ends with who uses it. */
function sharedLink(name: string, { options, tls, stream, open, at }: LinkTarget, parts: ServerParts): Link {
  const { context, codec, nasAttributes } = parts
  const { clock, random, log } = context
  const { secret = 'radsec', priority: _, weight: __, ...rest } = options
  const all = JSON.stringify([rest, secret, tls, at])
  const link = context.shared(
    // It may be logged, and holds secrets.
    `${name} ${createHash('sha256').update(all).digest('hex')}`,
    () =>
      new Link({
        name,
        settings: { ...rest, secret },
        open,
        stream,
        probe: { attributes: nasAttributes, codec },
        clock,
        random,
        log: new BoundedLog(log, clock),
      }),
    made => made.close(),
  )
  link.start()
  return link
}
