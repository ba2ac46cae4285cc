/** What the tests need of the machine, and what to do where it is not there. */
import { accessSync, constants, existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/**
 * `network`: namespaces and TUN devices. `peers`: real L2TP clients and servers in them. `radius`: a real RADIUS server, on
 * loopback. `directories`: real LDAP servers. `programs`: what runs the examples of pages. `dissector`: reads captures.
 * `bench`: what `npm run bench -- dataplane` drives and compares with.
 */
export type Kind = 'network' | 'peers' | 'radius' | 'directories' | 'programs' | 'dissector' | 'bench'

export interface Need {
  readonly package: string
  /** Found on the PATH when it is there, from whatever source; or a file, in which `*` is any one folder. */
  readonly program: string
  readonly why: string
  readonly kind: Kind
}

export const NEEDS: readonly Need[] = [
  { kind: 'network', package: 'iproute2', program: 'ip', why: 'network namespaces and devices' },
  { kind: 'peers', package: 'nftables', program: 'nft', why: 'the policy in the kernel' },
  {
    kind: 'programs',
    package: 'python3',
    program: 'python3',
    why: 'the Python programs of the pages on hooks',
  },
  {
    kind: 'dissector',
    package: 'tshark',
    program: 'tshark',
    why: "Wireshark's own view of what Burrow sends",
  },
  { kind: 'peers', package: 'iputils-ping', program: 'ping', why: 'the first packet through a session' },
  { kind: 'peers', package: 'user-mode-linux', program: 'linux.uml', why: 'a Linux kernel as a process' },
  { kind: 'peers', package: 'gcc', program: 'gcc', why: 'lets that kernel run on a CPU with AMX' },
  { kind: 'peers', package: 'libc6-dev', program: '/usr/include/dlfcn.h', why: 'the headers for it' },
  { kind: 'peers', package: 'kmod', program: 'modprobe', why: 'loads PPP and L2TP into that kernel' },
  { kind: 'peers', package: 'socat', program: 'socat', why: 'carries commands to that kernel' },
  { kind: 'peers', package: 'xl2tpd', program: 'xl2tpd', why: 'a real L2TP client, and a real LNS' },
  { kind: 'peers', package: 'ppp', program: 'pppd', why: 'the PPP of that client and LNS' },
  {
    kind: 'peers',
    package: 'strongswan-starter',
    program: 'ipsec',
    why: 'IPsec around L2TP',
  },
  {
    kind: 'peers',
    package: 'strongswan-charon',
    program: '/usr/lib/ipsec/charon',
    why: 'the IKE of it',
  },
  {
    kind: 'peers',
    package: 'libstrongswan-standard-plugins',
    program: '/usr/lib/ipsec/plugins/libstrongswan-openssl.so',
    why: 'the ciphers of it',
  },
  {
    kind: 'peers',
    package: 'strongswan-swanctl',
    program: '/usr/lib/ipsec/plugins/libstrongswan-vici.so',
    why: 'how it is driven',
  },
  {
    kind: 'peers',
    package: 'libcharon-extra-plugins',
    program: '/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so',
    why: 'ESP without a kernel that has it',
  },
  {
    kind: 'peers',
    package: 'wide-dhcpv6-client',
    program: 'dhcp6c',
    why: 'asks such a session for an IPv6 prefix',
  },
  { kind: 'peers', package: 'radvd', program: 'radvd', why: 'a real IPv6 router for our client' },
  { kind: 'radius', package: 'freeradius', program: 'freeradius', why: 'a real RADIUS server' },
  { kind: 'radius', package: 'freeradius-utils', program: 'radclient', why: 'sends CoA and Disconnect' },
  { kind: 'radius', package: 'radsecproxy', program: 'radsecproxy', why: 'RadSec for that server' },
  { kind: 'directories', package: 'slapd', program: 'slapd', why: 'OpenLDAP, a real directory' },
  { kind: 'directories', package: 'samba', program: 'samba', why: 'Samba, a real Active Directory' },
  {
    kind: 'directories',
    package: 'samba-ad-provision',
    program: '/usr/share/samba/setup/provision.ldif',
    why: 'what a new domain begins with',
  },
  {
    kind: 'directories',
    package: 'samba-dsdb-modules',
    program: '/usr/lib/*/samba/ldb/samba_dsdb.so',
    why: 'the database of a domain',
  },
  {
    kind: 'directories',
    package: 'samba-vfs-modules',
    program: '/usr/lib/*/samba/vfs/acl_xattr.so',
    why: 'the shares that a new domain wants',
  },
  { kind: 'bench', package: 'l2tpns', program: 'l2tpns', why: 'an LNS in C to compare with' },
  { kind: 'bench', package: 'iperf3', program: 'iperf3', why: 'TCP at full speed' },
  { kind: 'bench', package: 'iputils-ping', program: 'ping', why: 'the round trip of an idle line' },
  { kind: 'bench', package: 'gcc', program: 'gcc', why: 'compiles a plain forwarder to compare with' },
  { kind: 'bench', package: 'libc6-dev', program: '/usr/include/dlfcn.h', why: 'the headers for it' },
]

/** Kinds that neither namespaces nor root are needed for. */
const ANYWHERE: readonly Kind[] = ['radius', 'programs']

const RADIUS_USERS = [
  'test/support/freeradius',
  'test/interop/radius-',
  'test/examples',
  ...['radius-', 'auth-radius', 'accounting-radius'].map(name => `test/plugins/${name}`),
]

/** Where the tests are that need it; a path that starts so. */
const USERS: Readonly<Record<Kind, readonly string[]>> = {
  network: ['test/dataplane/', 'test/runtime/', 'test/interop/', 'test/packaging', 'test/guide'],
  peers: ['test/interop/'],
  radius: RADIUS_USERS,
  directories: ['test/plugins/auth-ldap', 'test/interop/ldap-', 'test/examples'],
  programs: ['test/plugins/hook-pages'],
  dissector: ['test/runtime/dissection', 'test/interop/rows'],
  // No test does: benches ask for it themselves.
  bench: [],
}

export interface Lack {
  readonly reason: string
  /** The command that helps. */
  readonly remedy: string
  /** To install; empty when that would not help. */
  readonly packages: readonly string[]
}

export function kindsOf(paths: readonly string[]): readonly Kind[] {
  const kinds = Object.entries(USERS) as [Kind, readonly string[]][]
  return kinds
    .filter(([, users]) => paths.some(path => users.some(user => path.startsWith(user))))
    .map(([kind]) => kind)
}

/** What is missing; undefined when all is there. */
export function lackOf(kinds: readonly Kind[]): Lack | undefined {
  if (kinds.length === 0) return undefined
  const needs = NEEDS.filter(({ kind }) => kinds.includes(kind))
  const packages = needs.filter(({ program }) => !isThere(program)).map(need => need.package)
  if (packages.length > 0) {
    const list = packages.join(' ')
    const remedy = `apt-get install --no-install-recommends ${list}`
    return { reason: `not installed: ${list}`, remedy, packages }
  }
  if (kinds.every(kind => ANYWHERE.includes(kind))) return undefined
  if (process.geteuid?.() !== 0) return { reason: 'not root', remedy: 'run the tests as root', packages }
  if (!existsSync('/dev/net/tun')) return { reason: 'no /dev/net/tun', remedy: 'modprobe tun', packages }
  return undefined
}

/** `BURROW_TEST_PEERS=skip` installs nothing and leaves the real peers out, in CI as well: somebody asked for it. */
export const declined = process.env.BURROW_TEST_PEERS === 'skip'
const REAL_PEERS: readonly Kind[] = ['peers', 'radius', 'directories']
export const isDeclined = (kind: Kind): boolean => declined && REAL_PEERS.includes(kind)

/** In CI what is missing is a failure, never a skipped test. */
export const mustHave = (kind: Kind): boolean => process.env.CI === 'true' && !isDeclined(kind)

/** The `skip` option of a test. In CI the test runs, and fails for what is missing. */
export function skipWithout(kind: Kind): string | false {
  if (isDeclined(kind)) return 'BURROW_TEST_PEERS=skip'
  const lack = lackOf(ANYWHERE.includes(kind) ? [kind] : ['network', kind])
  return lack === undefined || mustHave(kind) ? false : `${lack.reason} (${lack.remedy})`
}

/** A program of the PATH, or a file as of `Need`. */
export function isThere(program: string): boolean {
  const [before, after] = program.split('/*/')
  if (before !== undefined && after !== undefined)
    return existsSync(before) && readdirSync(before).some(folder => existsSync(join(before, folder, after)))
  if (program.startsWith('/')) return existsSync(program)
  return (process.env.PATH ?? '').split(':').some(folder => isExecutable(join(folder, program)))
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
