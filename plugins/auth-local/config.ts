import { z } from 'burrow'
import { parsePasswordHash } from './password-hash.ts'

const ipv4 = z.ipv4({ error: 'expected an IPv4 address' })
const name = z.string().min(1)
const seconds = (least: number) => z.number().int().min(least).max(31_536_000).exactOptional()

const User = z
  .strictObject({
    user: name.max(255).describe('Exactly as the peer sends it; case counts.'),
    password: name.exactOptional().describe('In clear text: for CHAP, MS-CHAPv2 and PAP.'),
    passwordHash: z
      .string()
      .transform((text, context) => {
        const hash = parsePasswordHash(text)
        if (hash !== undefined) return hash
        const message = 'expected $scrypt$ln=15,r=8,p=1$SALT$KEY as `hash-password` prints it'
        context.issues.push({ code: 'custom', input: text, message })
        return z.NEVER
      })
      .exactOptional()
      .describe('scrypt, from `hash-password`: for PAP only.'),
    address: ipv4.exactOptional().describe('Always this address; an allocator must lease it.'),
    pool: name.exactOptional().describe('Named address pool.'),
    groups: z.array(name).exactOptional().describe('Groups that the user is in, for policies.'),
    zone: name.exactOptional().describe('Security zone; without it the default zone of the server.'),
    dns: z.array(ipv4).max(2).exactOptional().describe('DNS servers; without it those of the server.'),
    nbns: z.array(ipv4).max(2).exactOptional().describe('NetBIOS name servers, likewise.'),
    sessionTimeoutS: seconds(1).describe('The longest a session may last.'),
    idleTimeoutS: seconds(1).describe('The longest a session may be without traffic.'),
    interimIntervalS: seconds(0).describe('Between accounting updates; 0: none.'),
    sample: z
      .boolean()
      .exactOptional()
      .describe('A published password: never on an address others can reach.'),
  })
  .refine(({ password, passwordHash }) => (password === undefined) !== (passwordHash === undefined), {
    error: 'expected exactly one of password and passwordHash',
  })

export const Users = z.array(User).superRefine((users, context) => {
  const seen = new Map<string, number>()
  for (const [index, { user }] of users.entries()) {
    const first = seen.get(user)
    if (first === undefined) seen.set(user, index)
    else {
      const message = `expected each user once; number ${first + 1} of the list has this name too`
      context.addIssue({ code: 'custom', path: [index, 'user'], message })
    }
  }
})
export type User = z.output<typeof User>

export const Options = z
  .strictObject({
    usersFile: name.optional().describe('A YAML list of users; relative to the folder of the config.'),
    users: Users.optional().describe('Users right here, beside those of the file.'),
    serves: z
      .enum(['logins', 'plugins'])
      .default('logins')
      .describe(
        'Answer logins; or only plugins that require `users`, and ask for something more than the password.',
      ),
    unknownUser: z
      .enum(['next', 'reject'])
      .default('next')
      .describe('Who is not listed: ask the next plugin, or refuse here.'),
    eapMethods: z
      .array(z.enum(['mschapv2', 'md5']))
      .default(['mschapv2', 'md5'])
      .describe(
        'Methods of EAP for users with a password in clear text, first choice first; []: EAP is passed on.',
      ),
    hashesAtOnce: z
      .number()
      .int()
      .min(1)
      .max(64)
      .default(2)
      .describe('Password hashes computed at the same time.'),
    hashesWaiting: z
      .number()
      .int()
      .min(0)
      .max(10_000)
      .default(256)
      .describe('Logins that may wait for a hash; beyond, the plugin is unavailable.'),
  })
  .refine(({ usersFile, users }) => usersFile !== undefined || users !== undefined, {
    error: 'expected usersFile, users, or both',
  })
export type Options = z.output<typeof Options>
