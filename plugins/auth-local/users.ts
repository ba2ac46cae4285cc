/** The users file and the users of the config, as one directory. */
import { readFileSync, statSync } from 'node:fs'
import {
  BurrowError,
  type CheckedYaml,
  checkedYaml,
  type ErrorPlace,
  type Logger,
  throwProblems,
} from 'burrow'
import { type User, Users } from './config.ts'
import { type HashCost, sameCost } from './password-hash.ts'

export interface Directory {
  readonly users: ReadonlyMap<string, User>
  /** Each cost that some password hash has. */
  readonly costs: readonly HashCost[]
}

interface UserSources {
  /** Absolute. */
  readonly file: string | undefined
  readonly inline: readonly User[]
  /** Whether other hosts can reach this server. */
  readonly exposed: boolean
  readonly log: Logger
}

/** Reads and checks them all; throws USERS_FILE or SAMPLE_USERS_EXPOSED with every line that is wrong. */
export function readUsers({ file, inline, exposed, log }: UserSources): Directory {
  const users = new Map(inline.map(user => [user.user, user]))
  const problems = inline.flatMap(user => exposedSample(user, exposed, {}))
  if (file !== undefined) {
    const { value, locate } = readUsersFile(file)
    for (const [index, user] of value.entries()) {
      const place = locate([index, 'user'])
      problems.push(...exposedSample(user, exposed, place))
      if (users.has(user.user)) {
        const text = `user ${JSON.stringify(user.user)} is already listed in the config`
        problems.push(new BurrowError('USERS_FILE', text, place))
      }
      users.set(user.user, user)
    }
    // Published passwords are no secret.
    if (value.some(({ sample }) => sample !== true)) warnIfReadable(file, log)
  }
  throwProblems(problems)
  return { users, costs: distinctCosts([...users.values()]) }
}

function distinctCosts(users: readonly User[]): readonly HashCost[] {
  const hashes = users.flatMap(({ passwordHash }) => passwordHash ?? [])
  return hashes.filter((hash, index) => hashes.findIndex(other => sameCost(hash, other)) === index)
}

function readUsersFile(file: string): CheckedYaml<User[]> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new BurrowError('USERS_FILE', (cause as Error).message, { file }, { cause })
  }
  return checkedYaml(file, text, Users, 'USERS_FILE')
}

function exposedSample({ user, sample }: User, exposed: boolean, place: ErrorPlace): readonly BurrowError[] {
  if (sample !== true || !exposed) return []
  const text = `user ${JSON.stringify(user)} is marked \`sample: true\`: its password is published, and the server listens where others can reach it`
  return [new BurrowError('SAMPLE_USERS_EXPOSED', text, place)]
}

function warnIfReadable(file: string, log: Logger): void {
  const mode = statSync(file).mode & 0o777
  if ((mode & 0o077) === 0) return
  const shown = mode.toString(8).padStart(4, '0')
  log.warn({ file, mode: shown }, 'the users file can be read by others; chmod 600 it')
}
