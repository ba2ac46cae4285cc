/** Authenticates users of a file with PAP, CHAP, MS-CHAPv2 and EAP. Whoever guesses learns nothing from the time that it takes. */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { resolve } from 'node:path'
import {
  type AuthenticateCall,
  type AuthenticateVerdict,
  type AuthMethod,
  answerEapPassword,
  type Call,
  definePlugin,
  type Grant,
  type Proof,
  Slots,
  USERS,
} from 'burrow'
import { Options, type User } from './config.ts'
import { deriveKey, isHashable, sameCost } from './password-hash.ts'
import { type Directory, readUsers } from './users.ts'

const NAME = 'auth-local'

export default definePlugin({
  name: NAME,
  provides: [USERS],
  config: Options,
  setup({ hooks, log, configDir, server, random, provide }, options) {
    const {
      usersFile,
      users: inline = [],
      serves,
      unknownUser,
      eapMethods,
      hashesAtOnce,
      hashesWaiting,
    } = options
    const slots = new Slots(hashesAtOnce, hashesWaiting)
    const nobody = { secret: randomBytes(16).toString('hex'), salt: randomBytes(16) }
    let directory: Directory | undefined
    const load = () => {
      const file = usersFile === undefined ? undefined : resolve(configDir, usersFile)
      directory ??= readUsers({ file, inline, exposed: server.exposed, log })
    }

    /** Every attempt costs one comparison and, with PAP, one hash of each cost in the directory, whoever the user is. */
    const verify = async (user: User | undefined, proof: Proof, call: Pick<Call, 'signal'>) => {
      let right = proof.verify(user?.password ?? nobody.secret)
      const password = proof.password()
      if (password === undefined) return right
      for (const cost of directory?.costs ?? []) {
        const own = user?.passwordHash
        const hash = own !== undefined && sameCost(own, cost) ? own : undefined
        const key = await slots.run(call, () => deriveKey(password, hash?.salt ?? nobody.salt, cost))
        if (typeof key === 'string') return key
        if (hash !== undefined) right = timingSafeEqual(key, hash.key) && isHashable(password)
      }
      return right
    }

    const login = async (
      name: string,
      proof: Proof,
      call: Pick<Call, 'signal'>,
    ): Promise<AuthenticateVerdict | undefined> => {
      // A capability has one answer, and EAP takes several.
      if (proof.method === 'eap') return undefined
      if (proof.password() === '') return reject('empty password')
      const user = directory?.users.get(name)
      const right = await verify(user, proof, call)
      if (typeof right === 'string') return { kind: 'unavailable', reason: UNAVAILABLE[right] }
      if (user === undefined) return unknownUser === 'next' ? undefined : reject('unknown user')
      if (user.passwordHash !== undefined && proof.method !== 'pap') return reject(HASH_ONLY)
      return right ? { kind: 'accept', user: user.user, grant: grantOf(user) } : reject('wrong password')
    }

    /** Round after round, with the password itself. */
    const loginByEap = ({ user: name, proof, state }: AuthenticateCall): AuthenticateVerdict | undefined => {
      const said = proof.eap()
      if (said === undefined || eapMethods.length === 0) return undefined
      const user = directory?.users.get(name)
      if (user === undefined) return unknownUser === 'next' ? undefined : reject('unknown user')
      if (user.password === undefined) return reject(HASH_ONLY)
      const verdict = answerEapPassword({
        proof: said,
        secret: { password: user.password },
        methods: eapMethods,
        random,
        serverName: SERVER_NAME,
        ...(state === undefined ? {} : { state }),
      })
      return verdict.kind === 'right' ? { kind: 'accept', user: user.user, grant: grantOf(user) } : verdict
    }

    provide(USERS, { verify: (user, proof, signal) => login(user, proof, { signal }) })
    if (serves === 'logins')
      hooks.authenticate.tapPromise(NAME, async call =>
        call.proof.method === 'eap' ? loginByEap(call) : login(call.user, call.proof, call),
      )

    hooks.revalidate.tap(NAME, ({ user: name }) => {
      const user = directory?.users.get(name)
      return user === undefined ? undefined : { kind: 'accept', grant: grantOf(user) }
    })

    const methods: readonly AuthMethod[] = eapMethods.length > 0 ? [...BY_PASSWORD, 'eap'] : BY_PASSWORD
    return { check: load, start: load, verifies: () => methods }
  },
})

const BY_PASSWORD: readonly AuthMethod[] = ['pap', 'chap-md5', 'mschapv2']
/** To peers that are shown a name. */
const SERVER_NAME = 'burrow'

const UNAVAILABLE = {
  full: 'too many logins wait for their password hash; see hashesAtOnce and hashesWaiting',
  aborted: 'the call ended',
}
const HASH_ONLY =
  'the user has only a passwordHash, which serves PAP alone; CHAP, MS-CHAPv2 and EAP need `password` in clear text'

const reject = (reason: string): AuthenticateVerdict => ({ kind: 'reject', reason })

function grantOf({
  user: _,
  password: __,
  passwordHash: ___,
  sample: ____,
  ...grant
}: User): Omit<Grant, 'user'> {
  return grant
}
