/** Lets in who is in its list: replace the list by whatever knows your users. */
import { definePlugin, z } from 'burrow'

export default definePlugin({
  name: 'my-plugin',
  config: z.strictObject({
    users: z
      .record(z.string().min(1), z.string().min(1))
      .meta({ secret: true })
      .describe('Password of each user, by name.'),
  }),
  setup({ hooks }, options) {
    const users = new Map(Object.entries(options.users))
    hooks.authenticate.tapPromise('password', async ({ user, proof }) => {
      const password = users.get(user)
      // Whoever it is, it costs one comparison: the time must not tell who exists.
      const isRight = proof.verify(password ?? 'nobody has this one')
      if (password === undefined) return undefined // not mine: the next plugin is asked
      return isRight ? { kind: 'accept', user } : { kind: 'reject', reason: 'wrong password' }
    })
  },
})
