/** Lets in who is in its list: replace the list by whatever knows your users. */
import { BurrowError, definePlugin, z } from 'burrow'

/** Of burrow.yaml: published, so for this host alone. */
const SAMPLE_PASSWORD = 'admin@123'

export default definePlugin({
  name: 'my-plugin',
  config: z.strictObject({
    users: z
      .record(z.string().min(1), z.string().min(1))
      .meta({ secret: true })
      .describe('Password of each user, by name.'),
  }),
  setup({ hooks, server }, options) {
    const users = new Map(Object.entries(options.users))
    hooks.authenticate.tapPromise('password', async ({ user, proof }) => {
      const password = users.get(user)
      // Whoever it is, it costs one comparison: the time must not tell who exists.
      const isRight = proof.verify(password ?? 'nobody has this one')
      if (password === undefined) return undefined // not mine: the next plugin is asked
      return isRight ? { kind: 'accept', user } : { kind: 'reject', reason: 'wrong password' }
    })
    return {
      check() {
        if (server.exposed && [...users.values()].includes(SAMPLE_PASSWORD))
          throw new BurrowError(
            'SAMPLE_USERS_EXPOSED',
            'a user has the password of the sample, which is published',
          )
      },
    }
  },
})
