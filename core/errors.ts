/**
 * Every error that an operator can meet, in one table. Tests assert codes, never prose.
 * The message says what is wrong and where; `remedy` says what to do.
 */
export const ERRORS = {
  // config
  CONFIG_NOT_FOUND: 'name an existing file that can be read, with -c or in the `!include`',
  CONFIG_SYNTAX: 'mend the YAML at the line named',
  CONFIG_INVALID: 'change the value at the line named to what was expected',
  CONFIG_SECRET_MISSING: 'create the file or set the environment variable that the reference names',
  CONFIG_INCLUDE: 'take out an `!include`, so that no file includes itself and few stand inside of others',
  SAMPLE_USERS_EXPOSED:
    'copy the sample users file, change its passwords, and name the copy; or listen on 127.0.0.1 only',
  RELOAD_STOPPING: 'start the server again; it reads the new config then',
  RELOAD_RESTART: 'restart the server for this change, or take it back',
  DEPLOYMENT_INVALID:
    'give each deployment a name of its own, plugins of its own, no deployment inside, and secrets that `secrets` lists',
  // plugins
  PLUGIN_UNKNOWN:
    'use one of the names listed, or install the npm package beside the config (npm install NAME), or name a file as ./FILE',
  PLUGIN_MODULE: 'mend the plugin file or package as the message says, or ask who wrote it',
  PLUGIN_TYPESCRIPT:
    'run Node 22.18 or later, or set `transpiler: esbuild` and run `npm install esbuild` in the folder of the config',
  PLUGIN_OPTIONS: 'change the option at the line named to what was expected',
  PLUGIN_REQUIRES: 'put a plugin that provides it earlier in the list',
  PLUGIN_ORDER: 'move the provider above the plugin that requires it',
  PLUGIN_CYCLE: 'use another plugin in place of one of those named: no order of the list can serve them all',
  PLUGIN_CONFLICT: 'keep one of the two plugins named, or call one of them something else with `as: NAME`',
  PLUGIN_SETUP: 'mend what the message names; the plugin could not be set up',
  PLUGIN_START: 'mend what the message names; the plugin could not start',
  PLUGIN_FAULT: 'mend what the message names; the plugin failed while it served',
  PLUGIN_TIMEOUT: 'find out what the plugin named waits for',
  // users, pools, files of plugins
  USERS_FILE: 'mend the users file at the line named',
  POOL_INVALID:
    'give ranges and prefixes as address-address or address/length, without host bits or zone ids',
  ACCOUNTING_FILE: 'make the folder of the accounting file exist and be writable',
  ACCOUNTING_SPOOL:
    'give each server, and each accounting-radius of it, a spool folder of its own that can be written',
  AUTH_RADIUS: 'name a pool and attributes that radius-client has; see its options and dictionaries',
  NFTABLES: 'see what `nft` said; it needs root, and the package nftables',
  IPSEC_CHARON:
    'start strongSwan (systemctl start strongswan-starter, or strongswan of charon-systemd) with its plugin vici, which Debian has in the package strongswan-swanctl; Burrow needs the right to open the socket',
  IPSEC_REFUSED:
    'compare pre-shared key or certificates, identities and proposals with those of the peer; the log of charon says more',
  IPSEC_CONFIG:
    'mend the option or the file at the line named: certificates and keys are PEM, and fit together',
  INTERFACE_ZONES:
    'install the package nftables and run as root, or name no `interfaces` in zones: nothing else can tell where a packet came in',
  POLICY_INVALID: 'name zones and addresses that exist',
  // directories
  EAP_TLS_CONFIG:
    'mend the option or the file at the line named: certificates and keys are PEM, and fit together',
  LDAP_CONFIG: 'mend the option or the file at the line named',
  LDAP_METHODS:
    'offer what the directory can verify, say in `methods` which its users may use, name the attribute that holds what a method needs, or ask a RADIUS server in its place',
  LDAP_SERVICE: 'mend the name and the password of `service`, or the right of that account to log in',
  // programs and services that answer hooks
  HOOK_EXEC:
    'make the program of `command` and the folder of `cwd` exist, and the program executable, and not writable by everybody',
  HOOK_HTTP: 'mend the url, or the file of a certificate or key, at the line named',
  HOOK_TIMEOUT:
    'see why the program or service is slow; `timeoutMs` must stay below the deadline of the hook',
  HOOK_BUSY: 'allow more processes or connections, or `waitingCalls`; or make the program or service faster',
  HOOK_ANSWER: 'let the program or service answer as docs/hooks-json.md says',
  HOOK_FAILED: 'see the log of the program or service: it failed, or cannot be reached',
  HOOK_BREAKER_OPEN: 'mend the service: it failed too often in a row, and is tried again in a moment',
  // RADIUS
  RADIUS_SERVER: 'mend the server, or the file of a certificate or key, at the line named',
  RADIUS_DEAD:
    'see why the server is silent: its address and port, firewalls, the secret, and whether it knows this client',
  RADIUS_CONNECTION: 'see the reason, and the log of the server: it may not trust our certificate',
  RADIUS_REPLY:
    'compare the secret here and on the server; where they are the same, somebody else sends replies in its name',
  RADIUS_NO_MESSAGE_AUTHENTICATOR:
    'update the server, or let it add Message-Authenticator to its replies; until then `requireMessageAuthenticator: false`',
  RADIUS_DICTIONARY: 'mend the dictionary at the line named, or leave it out',
  RADIUS_ATTRIBUTE:
    'give attributes that the dictionaries have, each with a value of its type, and no more than a packet holds',
  RADIUS_COA: 'give radius-coa an address of this host and a port that no other program has',
  // world
  NO_ROOT: 'run as root, or give the process CAP_NET_ADMIN',
  NO_TUN: 'load the tun module (modprobe tun) and make /dev/net/tun readable and writable',
  PORT_IN_USE: 'stop the other program on that port, or choose another port in `listen`',
  ADDRESS_NOT_LOCAL: 'listen on an address of this host',
  KERNEL_SETTING: 'set it yourself as the message says, and leave out `manageKernel`',
  FLOW_REFUSED: 'see what the data plane said of the flow: it holds no more, or cannot carry this one',
  DATA_PLANE_DOWN: 'see why the data plane failed, and start again',
  DATA_PLANE_UNAVAILABLE:
    'leave out `dataplane`, so that the fastest one that works here is taken, or name another',
  NETWORK_SETUP: 'mend what the kernel or the `ip` command refused, as the message says',
  TUN_GONE: 'see what deleted the network interface of the sessions, and start again',
  TUN_IN_USE: 'give the interface another name: `tun.name` in the config, --tun of `burrow connect`',
  PLATFORM: 'run on Linux (x86-64 or arm64, glibc)',
  TRACE_FILE: 'name a file in a folder that exists and that you may write',
  CONTROL_SOCKET: 'see that one server runs with this config and that you may open its control socket',
  TRAIL_NOT_FOUND:
    'name a session (its id, or the first digits), a user or an address of a peer; see `burrow sessions` for who is in',
  POLICY_REFUSES: 'if it should pass, add a rule; `burrow policy show` prints those there are, in order',
  TRY_REFUSED: 'see the last line of the trail; `burrow explain` shows the same of a call that was placed',
  // calls, on either side
  DIAL_REFUSED: 'read the result code: the peer refused the tunnel or the call',
  DIAL_TIMEOUT: 'check address, port and firewalls: the peer did not answer',
  DIAL_AUTH: 'check user, password and tunnel secret: one side refused the other',
  DIAL_FAILED: 'see the reason; the call came up and then failed',
  CREDENTIALS_MISSING:
    'give it with its -file or -env option, see `burrow connect --help`; a password also at the prompt',
  SESSION_STUCK: 'see why the session does not end: its peer is silent, or an observer or a lease hangs',
  // program
  USAGE: 'see --help',
  DEMO_DIFFERS: 'a step of the demo differs from the reference; the ladder shows which',
  INTERNAL: 'report this as a bug, with the stack',
  // bytes
  WIRE_TRUNCATED: 'the peer sent fewer bytes than its own lengths say',
  WIRE_MALFORMED: 'the peer sent bytes that the RFC does not allow',
  WIRE_OVERFLOW: 'a value does not fit the field that carries it',
} as const

/** A code of the table: what tests and scripts match on. */
export type ErrorCode = keyof typeof ERRORS

/** Where a fault lies; rendered as `file:line` or `peer 10.0.0.1:1701`. */
export interface ErrorPlace {
  /** Path of a config or data file. */
  readonly file?: string
  /** In that file, from 1 on. */
  readonly line?: number
  /** Name of the plugin concerned. */
  readonly plugin?: string
  /** Where the config lists that plugin, `file:line`, when `file` is another one without a line. */
  readonly listedAt?: string
  /** `address:port` of a peer. */
  readonly peer?: string
  /** Key or id of a session. */
  readonly session?: string
}

/**
 * An error that an operator can act on: a code, what is wrong, where, and what to do. Plugins throw it too: `throw
 * new BurrowError('PLUGIN_START', 'the directory refused our password')`.
 */
export class BurrowError extends Error {
  /** Always `BurrowError`. */
  override readonly name = 'BurrowError'
  /** To match on. */
  readonly code: ErrorCode
  /** Where the fault lies; the host adds the plugin and its line. */
  readonly place: ErrorPlace
  /** What else was found wrong in the same look, each an error of its own. */
  readonly also: readonly BurrowError[]

  /** `message` says what is wrong, without a secret; `cause` is shown with --debug only. */
  constructor(
    code: ErrorCode,
    message: string,
    place: ErrorPlace = {},
    options: { cause?: unknown; also?: readonly BurrowError[] } = {},
  ) {
    super(message, options)
    this.code = code
    this.place = place
    this.also = options.also ?? []
  }

  /** What to do, from the table. */
  get remedy(): string {
    return ERRORS[this.code]
  }
}

/** Whether it is a coded error: by shape, for a plugin may have brought another copy of Burrow. */
export function isBurrowError(error: unknown): error is BurrowError {
  if (error instanceof BurrowError) return true
  if (!(error instanceof Error) || error.name !== 'BurrowError') return false
  const { code, place, also } = error as Partial<BurrowError>
  const coded = typeof code === 'string' && Object.hasOwn(ERRORS, code)
  return coded && typeof place === 'object' && place !== null && Array.isArray(also)
}

/** All of `problems` as one error: the first, which carries the others. */
export function combined(problems: readonly BurrowError[]): BurrowError {
  const all = problems.flatMap(problem => [problem, ...problem.also])
  const [first = new BurrowError('INTERNAL', 'an error without a cause'), ...also] = all
  return new BurrowError(first.code, first.message, first.place, { cause: first.cause, also })
}

/** Throws all of `problems` as one, if there are any. */
export function throwProblems(problems: readonly BurrowError[]): void {
  if (problems.length > 0) throw combined(problems)
}
