/** Users as a capability: for authenticators that ask for something more than a password. */
import type { AuthenticateVerdict, Proof } from '../hooks/views.ts'
import { type Capability, capability } from './capability.ts'

/** Users that another plugin keeps. */
export interface UserDirectory {
  /**
   * What a login with this proof would come to, were it up to this directory alone; undefined: it has no such user. Takes as
   * long for whoever does not exist. Never rejects; `signal` tells that the verdict is no longer wanted.
   */
  verify(user: string, proof: Proof, signal: AbortSignal): Promise<AuthenticateVerdict | undefined>
}

/** Every directory that stands further up in the config, in order. `auth-local` provides one. */
export const USERS: Capability<UserDirectory, 'many'> = capability('users', 'many')
