/** Authenticates users by RADIUS servers: PAP, CHAP, MS-CHAPv2, whatever EAP method the server has, and challenges. */
import {
  type AuthenticateCall,
  type AuthenticateVerdict,
  BoundedLog,
  BurrowError,
  definePlugin,
  type Prefix,
  RADIUS,
  type RadiusAttribute,
  type RadiusClient,
  type ServerView,
} from 'burrow'
import { Options } from './config.ts'
import { grantOf } from './grant.ts'
import { eapOf, errorOf, messageOf, nameOf, type Reply, stateOf, successOf } from './reply.ts'
import { loginAttributes, splitRealm } from './request.ts'

const NAME = 'auth-radius'
/** RFC 4372 2.1: asks for one. */
const NUL = Uint8Array.of(0)

const NO_REQUEST = { identifier: 0, authenticator: new Uint8Array(16) }

/** What an exchange goes on with: the server that began it, which alone knows its State. */
interface Exchange {
  readonly server: string
  /** In hex. */
  readonly state?: string
}

export default definePlugin({
  name: NAME,
  requires: [RADIUS],
  config: Options,
  setup({ hooks, log, clock, server: lns }, options, radius) {
    const { pool, stripRealm, timeoutMs, zones, filterIsZone, framedNetmask } = options
    const realms = options.realms && new Set(options.realms.map(realm => realm.toLowerCase()))
    const extra = [
      ...(options.chargeableIdentity ? [{ name: 'Chargeable-User-Identity', value: NUL }] : []),
      ...Object.entries(options.attributes).flatMap(([name, values]) =>
        [values].flat().map(value => ({ name, value })),
      ),
    ]
    const notes = new BoundedLog(log, clock)

    const accept = (call: AuthenticateCall, { attributes, server }: Reply): AuthenticateVerdict => {
      const { session, proof } = call
      const circumstances = {
        tunnel: session.tunnel,
        taken: takenOf(lns),
        zones,
        filterIsZone,
        routesNetmask: framedNetmask === 'route',
      }
      const granted = grantOf(attributes, circumstances, name => radius.meant(name))
      if (granted.kind === 'refuse') return reject(`${server} accepts, but ${granted.reason}`)
      const mschapv2Success = successOf(attributes)
      if (proof.method === 'mschapv2' && mschapv2Success === undefined)
        return reject(
          `${server} accepts without MS-CHAP2-Success: the peer could not tell whether it knows the password`,
        )
      const eap = eapOf(attributes)
      if (proof.method === 'eap' && eap !== undefined && eap.kind !== 'success')
        return reject(`${server} accepts with an EAP packet that is no Success`)
      for (const why of granted.ignored)
        notes.warn('an attribute of an Access-Accept is left out', { user: call.user, server, why })
      return {
        kind: 'accept',
        user: nameOf(attributes) ?? call.user,
        grant: granted.grant,
        ...messageFor(attributes),
        ...(proof.method === 'mschapv2' && mschapv2Success !== undefined ? { mschapv2Success } : {}),
        ...(proof.method === 'eap' && eap !== undefined ? { eap: eap.packet } : {}),
      }
    }

    const verdicts: Readonly<
      Record<Reply['code'], (call: AuthenticateCall, reply: Reply) => AuthenticateVerdict>
    > = {
      'Access-Accept': accept,
      'Access-Reject': rejected,
      'Access-Challenge': challenged,
      'Accounting-Response': (_call, { server }) => reject(`${server} answers with an Accounting-Response`),
    }

    hooks.authenticate.tapPromise(NAME, async call => {
      if (realms !== undefined && !realms.has(splitRealm(call.user).realm.toLowerCase())) return undefined
      const login = loginAttributes(call, stripRealm)
      if (typeof login === 'string') return reject(login)
      const { server, state } = (call.state ?? {}) as Partial<Exchange>
      const outcome = await radius.ask({
        code: 'Access-Request',
        attributes: [
          ...login,
          ...(state === undefined ? [] : [{ name: 'State', value: Buffer.from(state, 'hex') }]),
          ...radius.sessionAttributes(call.session),
          ...extra,
        ],
        timeoutMs,
        signal: call.signal,
        ...(pool === undefined ? {} : { pool }),
        ...(server === undefined ? {} : { server }),
      })
      if (outcome.kind === 'unavailable') return outcome
      return verdicts[outcome.code](call, outcome)
    })

    return { check: () => checkOptions(options, extra, radius), stop: () => notes.close() }
  },
})

const reject = (reason: string): AuthenticateVerdict => ({ kind: 'reject', reason })

function rejected({ proof }: AuthenticateCall, { attributes, server }: Reply): AuthenticateVerdict {
  const said = messageFor(attributes)
  const mschapv2Error = proof.method === 'mschapv2' ? errorOf(attributes) : undefined
  const eap = proof.method === 'eap' ? eapOf(attributes) : undefined
  return {
    kind: 'reject',
    reason: said.message === undefined ? `${server} rejects` : `${server} rejects: ${said.message}`,
    ...said,
    ...(mschapv2Error === undefined ? {} : { mschapv2Error }),
    ...(eap?.kind === 'failure' ? { eap: eap.packet } : {}),
  }
}

/** RFC 2865 4.4: who cannot go on takes a challenge for a reject. */
function challenged({ proof }: AuthenticateCall, { attributes, server }: Reply): AuthenticateVerdict {
  const hex = stateOf(attributes)
  const state: Exchange = { server, ...(hex === undefined ? {} : { state: hex }) }
  if (proof.method === 'pap')
    return { kind: 'continue', reply: messageOf(attributes) ?? '', state: { ...state } }
  if (proof.method !== 'eap')
    return reject(`${server} asks for more, and with ${proof.method} there is no way to ask the peer`)
  const eap = eapOf(attributes)
  return eap?.kind === 'request'
    ? { kind: 'continue', eap: eap.packet, state: { ...state } }
    : reject(`${server} goes on without an EAP Request`)
}

function messageFor(attributes: Reply['attributes']): { readonly message?: string } {
  const message = messageOf(attributes)
  return message === undefined ? {} : { message }
}

/** What no user may be given a route to. */
function takenOf(lns: ServerView): readonly Prefix[] {
  const own = [lns.gatewayAddress, ...lns.ownAddresses()].map(address => ({ address, length: 32 }))
  return [...own, ...[...lns.pools().values()].flat()]
}

function checkOptions(
  { pool, attributes }: Options,
  extra: readonly RadiusAttribute[],
  radius: RadiusClient,
): void {
  if (pool !== undefined && !radius.pools.includes(pool)) {
    const known = radius.pools.join(', ')
    throw new BurrowError('AUTH_RADIUS', `radius-client has no pool ${JSON.stringify(pool)}, only ${known}`)
  }
  const unknown = Object.keys(attributes).find(name => !radius.knows(name))
  if (unknown !== undefined)
    throw new BurrowError('AUTH_RADIUS', `no dictionary has the attribute ${JSON.stringify(unknown)}`)
  try {
    // What cannot be sent would make every login fail.
    radius.encodeReply({ code: 'Access-Accept', attributes: extra }, NO_REQUEST, 'any')
  } catch (cause) {
    throw new BurrowError('AUTH_RADIUS', (cause as Error).message, {}, { cause })
  }
}
