/** Deployments, or virtual LNSs: which plugins of one config serve a call, by what is known of it. Pure. */
import type { ErrorPlace } from '../errors.ts'
import { type Ipv4Range, parseIpv4 } from './addresses.ts'
import { isInRanges } from './ranges.ts'

/** A named group of the plugin list. */
export interface Deployment {
  /** Unique; the plugins of the group are called `NAME/PLUGIN`. */
  readonly name: string
  readonly when: DeploymentConditions
  readonly place: ErrorPlace
}

/** What must hold of a call, all of it that is given; each holds when one of its list fits. Without any: every call. */
export interface DeploymentConditions {
  /** Of the user, as `realmOf` has it: lower case, empty for users without one. */
  readonly realm?: readonly string[]
  /** The address that the peer sends from. */
  readonly peer?: readonly Ipv4Range[]
  /** The peer's Host Name AVP (RFC 2661 4.4.3): lower case, `*` stands for any text. */
  readonly hostName?: readonly string[]
  /** Name of the tunnel secret that the peer knows. */
  readonly secret?: readonly string[]
}

/** What is known of a call when it is asked where it belongs. */
export interface CallFacts {
  /** As `a.b.c.d`. */
  readonly peerAddress: string
  readonly peerHostName: string
  /** The tunnel secret that matched; undefined where there was none. */
  readonly secretName?: string
  /** As the peer sent it; undefined until it is known. */
  readonly user?: string
}

/** Those that a call may come to belong to when its user is known; undefined among them: it may belong to none. */
export function deploymentsFor(
  deployments: readonly Deployment[],
  facts: Omit<CallFacts, 'user'>,
): readonly (string | undefined)[] {
  const found: string[] = []
  for (const { name, when } of deployments) {
    const { realm, ...rest } = when
    if (!fits(rest, facts)) continue
    found.push(name)
    if (realm === undefined) return found
  }
  return [...found, undefined]
}

/** Name of the first deployment whose conditions hold; undefined: the call belongs to none. A condition on the realm holds only once the user is known. */
export function deploymentOf(deployments: readonly Deployment[], facts: CallFacts): string | undefined {
  for (const { name, when } of deployments) if (fits(when, facts)) return name
  return undefined
}

/** Both as they were written; either may be empty. */
export interface SplitUser {
  /** Who. */
  readonly account: string
  /** Of which realm or domain. */
  readonly realm: string
}

/** A user name as `account@realm`, at the last `@`, else as `REALM\account`, at the first `\`; undefined where it is neither. */
export function splitUser(user: string): SplitUser | undefined {
  const at = user.lastIndexOf('@')
  if (at >= 0) return { account: user.slice(0, at), realm: user.slice(at + 1) }
  const backslash = user.indexOf('\\')
  if (backslash < 0) return undefined
  return { account: user.slice(backslash + 1), realm: user.slice(0, backslash) }
}

/** Of `splitUser`, in lower case; empty where there is none. */
export const realmOf = (user: string): string => splitUser(user)?.realm.toLowerCase() ?? ''

/** Whether it takes every call that no earlier one takes. */
export const takesEveryCall = ({ when }: Deployment): boolean =>
  Object.values(when).every(condition => condition === undefined)

function fits(when: DeploymentConditions, facts: CallFacts): boolean {
  const { peerAddress, peerHostName, secretName, user } = facts
  return (
    (when.secret === undefined || (secretName !== undefined && when.secret.includes(secretName))) &&
    (when.realm === undefined || (user !== undefined && when.realm.includes(realmOf(user)))) &&
    (when.peer === undefined || isPeer(when.peer, peerAddress)) &&
    (when.hostName === undefined || isNamed(when.hostName, peerHostName))
  )
}

function isPeer(ranges: readonly Ipv4Range[], text: string): boolean {
  const address = parseIpv4(text)
  return address !== undefined && isInRanges(ranges, address)
}

function isNamed(patterns: readonly string[], name: string): boolean {
  const lower = name.toLowerCase()
  for (const pattern of patterns) if (matches(pattern, lower)) return true
  return false
}

/** `*` is any text, all else itself. At worst as many steps as both lengths multiplied, whatever a peer calls itself. */
function matches(pattern: string, text: string): boolean {
  let [at, star, resumed] = [0, -1, 0]
  let position = 0
  while (position < text.length) {
    if (pattern[at] === '*') {
      star = at++
      resumed = position
    } else if (pattern[at] === text[position]) {
      at++
      position++
    } else if (star >= 0) {
      // The last star takes one more.
      at = star + 1
      position = ++resumed
    } else return false
  }
  while (pattern[at] === '*') at++
  return at === pattern.length
}
