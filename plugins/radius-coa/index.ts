/** Takes Disconnect-Requests and CoA-Requests (RFC 5176): ends live sessions, and changes what they are granted. */
import { BlockList } from 'node:net'
import { definePlugin, RADIUS, type RadiusMessage, type RadiusValue } from 'burrow'
import { Options, type Source } from './config.ts'
import { type Datagram, Listener, type Receiver } from './listener.ts'
import { nak } from './nak.ts'
import { Requests } from './requests.ts'

const NAME = 'radius-coa'
/** RFC 5080 2.2.2: as long as a client may send a request again. */
const KEEP_MS = 30_000

/** An answer holds them all, beside its head, Message-Authenticator, Event-Timestamp and one attribute more. */
const MOST_PROXY_STATE_BYTES = 4096 - 20 - 18 - 6 - 6

export default definePlugin({
  name: NAME,
  requires: [RADIUS],
  config: Options,
  setup({ id, log, clock, server, shared }, options, radius) {
    const { address, port, eventTimestampWindowS: windowS } = options
    const sources = options.sources.map(source => ({ source, name: nameOf(source), holds: holderOf(source) }))
    const listener = shared(
      `${address} ${port}`,
      () => new Listener({ listen: { address, port }, clock, log }),
      made => made.close(),
    )
    const nowS = () => Math.floor(clock.wallTimeMs() / 1000)
    const requests = new Requests({ radius, server, log, options, nowS })

    const receive: Receiver = datagram => {
      const found = sources.find(({ holds }) => holds(datagram.from.address))
      if (found === undefined) return false
      take(datagram, found.source, found.name)
      return true
    }

    function take(datagram: Datagram, source: Source, from: string): void {
      const drop = (reason: string) =>
        listener.bounded.warn(`dynamic authorization: dropped, ${reason}`, {
          from,
          address: datagram.from.address,
        })
      const decoded = radius.decodeRequest(datagram.bytes, source.secret, source)
      if (decoded.kind === 'drop') return drop(decoded.reason)
      const { message, authenticator } = decoded
      if (message.code !== 'CoA-Request' && message.code !== 'Disconnect-Request') return drop('wrong-code')
      if (proxyStateBytes(message) > MOST_PROXY_STATE_BYTES) return drop('too-much-proxy-state')
      const told = timestampOf(message)
      if (told === undefined && source.requireEventTimestamp) return drop('missing-event-timestamp')
      const ageS = told === undefined ? 0 : nowS() - told
      if (Math.abs(ageS) > windowS) return drop('event-timestamp-outside-window')
      if (told !== undefined && listener.mayBeFromBefore(told, windowS))
        return drop('event-timestamp-before-start')
      // A request with a timestamp could be sent again for as long as that is in the window.
      const keepMs = told === undefined ? KEEP_MS : Math.max(KEEP_MS, (windowS - ageS + 1) * 1000)
      const key = `${datagram.from.address} ${Buffer.from(authenticator).toString('hex')}`
      const known = listener.answers.begin(key, datagram.from.port, keepMs)
      if (known === 'pending') return
      if (known === 'replayed') return drop('replayed')
      if (known instanceof Uint8Array) return datagram.reply(known)
      const send = (reply: RadiusMessage) => {
        const bytes = radius.encodeReply(reply, decoded, source.secret)
        listener.answers.end(key, bytes)
        datagram.reply(bytes)
      }
      if (known === 'full')
        return send(requests.reply(message, nak('resourcesUnavailable', 'too many requests')))
      requests.answer(message, source, from).then(send, error => {
        log.error({ from, error }, 'dynamic authorization: a request failed')
        send(requests.reply(message, nak('resourcesUnavailable', 'internal error')))
      })
    }

    return {
      async start() {
        for (const { source, name } of sources)
          for (const text of warnOf(source)) log.warn({ from: name }, text)
        const bound = await listener.open()
        listener.serve(id, receive)
        log.info({ address: bound.address, port: bound.port }, 'takes CoA-Requests and Disconnect-Requests')
      },
      stop: () => listener.leave(receive),
    }
  },
})

const nameOf = ({ name, address }: Source): string => name ?? address.text

function holderOf({ address: { address, prefixLength, family } }: Source): (remote: string) => boolean {
  const list = new BlockList()
  list.addSubnet(address, prefixLength, family)
  return remote => list.check(remote, remote.includes(':') ? 'ipv6' : 'ipv4')
}

/** With their heads. */
function proxyStateBytes({ attributes }: RadiusMessage): number {
  const proxied = attributes.filter(({ name }) => name === 'Proxy-State')
  const bytesOf = (value: RadiusValue) =>
    value instanceof Uint8Array ? value.length : Buffer.byteLength(String(value))
  return proxied.reduce((sum, { value }) => sum + 2 + bytesOf(value), 0)
}

/** The first; a second one would be another packet's. */
function timestampOf({ attributes }: RadiusMessage): number | undefined {
  const value = attributes.find(({ name }) => name === 'Event-Timestamp')?.value
  return typeof value === 'number' ? value : undefined
}

function warnOf({ requireMessageAuthenticator, requireEventTimestamp }: Source): readonly string[] {
  return [
    ...(requireMessageAuthenticator
      ? []
      : ['requests without Message-Authenticator are taken: MD5 alone proves them']),
    ...(requireEventTimestamp
      ? []
      : ['requests without Event-Timestamp are taken: they can be recorded and sent again']),
  ]
}
