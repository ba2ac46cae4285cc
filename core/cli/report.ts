import { BurrowError, isBurrowError } from '../errors.ts'
import { escapeText } from '../wire/escape.ts'

/** What a shell sees. `burrow --help` prints this table. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  config: 3,
  refused: 4,
  differs: 5,
  interrupted: 130,
} as const

export const EXIT_HELP = `
Exit codes:
  0  done          1  failed (network, permissions, a fault)   2  wrong usage
  3  wrong config  4  the peer refused the call or the user, or the rules the packet
  5  a step of the demo differed
  130  interrupted by a signal: the demo by the first, others by the second`

const EXIT_OF: Readonly<Partial<Record<BurrowError['code'], number>>> = {
  USAGE: EXIT.usage,
  CREDENTIALS_MISSING: EXIT.usage,
  CONFIG_NOT_FOUND: EXIT.config,
  CONFIG_SYNTAX: EXIT.config,
  CONFIG_INVALID: EXIT.config,
  CONFIG_SECRET_MISSING: EXIT.config,
  RELOAD_RESTART: EXIT.config,
  CONFIG_INCLUDE: EXIT.config,
  DEPLOYMENT_INVALID: EXIT.config,
  SAMPLE_USERS_EXPOSED: EXIT.config,
  PLUGIN_UNKNOWN: EXIT.config,
  PLUGIN_MODULE: EXIT.config,
  PLUGIN_TYPESCRIPT: EXIT.config,
  PLUGIN_OPTIONS: EXIT.config,
  PLUGIN_REQUIRES: EXIT.config,
  PLUGIN_ORDER: EXIT.config,
  PLUGIN_CYCLE: EXIT.config,
  PLUGIN_CONFLICT: EXIT.config,
  USERS_FILE: EXIT.config,
  POOL_INVALID: EXIT.config,
  POLICY_INVALID: EXIT.config,
  EAP_TLS_CONFIG: EXIT.config,
  LDAP_CONFIG: EXIT.config,
  LDAP_METHODS: EXIT.config,
  HOOK_EXEC: EXIT.config,
  HOOK_HTTP: EXIT.config,
  DIAL_REFUSED: EXIT.refused,
  DIAL_AUTH: EXIT.refused,
  TRY_REFUSED: EXIT.refused,
  POLICY_REFUSES: EXIT.refused,
  DEMO_DIFFERS: EXIT.differs,
}

export function asBurrowError(error: unknown): BurrowError {
  if (isBurrowError(error)) return error
  return new BurrowError(
    'INTERNAL',
    error instanceof Error ? error.message : String(error),
    {},
    { cause: error },
  )
}

export const exitCodeOf = ({ code }: BurrowError): number => EXIT_OF[code] ?? EXIT.failed

/** `burrow: CODE: message (file:line)`, then what to do; and the same for each error that was found beside it. */
export function describeError(error: BurrowError, debug = false): string {
  return [error, ...error.also].map(one => describeOne(one, debug)).join('\n')
}

function describeOne(error: BurrowError, debug: boolean): string {
  const { file, line, plugin, listedAt, peer, session } = error.place
  const places = [
    file === undefined ? undefined : line === undefined ? file : `${file}:${line}`,
    plugin === undefined ? undefined : `plugin ${plugin}`,
    listedAt === undefined ? undefined : `listed at ${listedAt}`,
    peer === undefined ? undefined : `peer ${peer}`,
    session === undefined ? undefined : `session ${session}`,
  ].filter(place => place !== undefined)
  const where = places.length === 0 ? '' : ` (${places.join(', ')})`
  const stack = debug
    ? `\n${error.stack}${error.cause instanceof Error ? `\ncaused by ${error.cause.stack}` : ''}`
    : ''
  return `burrow: ${error.code}: ${escapeText(error.message, 2000)}${where}\n  to mend it: ${error.remedy}${stack}\n`
}
