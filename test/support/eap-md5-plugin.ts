/** A plugin that speaks EAP-MD5 (RFC 3748 5.4), for tests: the least that a method takes. Beyond `rounds` of nothing much. */
import { createHash, randomBytes } from 'node:crypto'
import { type AuthenticateVerdict, definePlugin, type Json, z } from '../../core/index.ts'

const REQUEST = 1
const IDENTITY = 1
const NOTIFICATION = 2
const MD5_CHALLENGE = 4

const Options = z.strictObject({
  users: z.record(z.string(), z.string()),
  /** Notifications before the challenge: what makes it as long as a TLS handshake. */
  notifications: z.number().int().default(0),
  /** Octets of each Request, filled up with the server's name. */
  requestBytes: z.number().int().default(0),
})

export default definePlugin({
  name: 'eap-md5',
  config: Options,
  setup({ hooks }, { users, notifications, requestBytes }) {
    hooks.authenticate.tap('eap-md5', ({ user, proof, state, round }): AuthenticateVerdict | undefined => {
      const response = proof.eap()?.packet
      const password = users[user]
      if (response === undefined || password === undefined) return undefined
      const identifier = response[1] ?? 0
      const goOn = (type: number, data: Uint8Array, kept: Json): AuthenticateVerdict => {
        const length = 5 + data.length
        const head = [REQUEST, (identifier + 1) & 0xff, length >> 8, length & 0xff, type]
        return { kind: 'continue', eap: Uint8Array.from([...head, ...data]), state: kept }
      }
      if (round < notifications) return goOn(NOTIFICATION, Buffer.from(`${round}`), '')
      const [, , , , type = 0] = response
      if (type === IDENTITY || type === NOTIFICATION) {
        const challenge = randomBytes(16)
        const name = new Uint8Array(Math.max(0, requestBytes - 22)).fill(0x6c)
        return goOn(MD5_CHALLENGE, Uint8Array.from([16, ...challenge, ...name]), challenge.toString('hex'))
      }
      const challenge = Buffer.from(String(state), 'hex')
      const expected = createHash('md5')
        .update(Uint8Array.of(identifier))
        .update(password)
        .update(challenge)
        .digest()
      return type === MD5_CHALLENGE && expected.equals(response.subarray(6, 22))
        ? { kind: 'accept', user }
        : { kind: 'reject', reason: 'wrong password' }
    })
  },
})
