/** OpenLDAP for a test: Debian's slapd on loopback, with ports, a folder and certificates of its own, gone with the test. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'ldapts'
import { ntPasswordHash } from '../../core/crypto.ts'
import { CA_PEM, CLIENT_KEY, CLIENT_PEM, SERVER_KEY, SERVER_PEM } from './certificates.ts'
import { type Program, run, start } from './processes.ts'
import { until } from './until.ts'

export const SUFFIX = 'dc=lab,dc=test'
export const PEOPLE = `ou=people,${SUFFIX}`
export const GROUPS = `ou=groups,${SUFFIX}`
/** May read passwords; our client certificate and root's processes are mapped to it, too. */
export const SERVICE = { dn: `uid=burrow,ou=services,${SUFFIX}`, password: 'service#77' }
const ADMIN = { dn: `cn=admin,${SUFFIX}`, password: 'adminpw' }
export const dnOf = (uid: string): string => `uid=${uid},${PEOPLE}`

/** ppolicy locks an account after so many wrong passwords, for good. */
export const LOCKED_AFTER = 5

/** alice is in staff, which is in vpn; carol is in vpn itself, dave in banned, bob in nothing. */
const USERS: Readonly<
  Record<string, { readonly password: string; readonly more?: Readonly<Record<string, string>> }>
> = {
  alice: {
    password: 'wonderland',
    more: {
      testFramedIPAddress: '172.16.1.77',
      testRoute: '192.168.77.0/24 0.0.0.0 1',
      mail: 'alice@lab.test',
    },
  },
  bob: { password: 'builder' },
  carol: { password: 'carol#1', more: { testFramedIPAddress: '-1408237302' } },
  dave: { password: 'dave#1' },
  expired: { password: 'expired#1', more: { shadowExpire: '10000' } },
  reset: { password: 'reset#1', more: { pwdReset: 'TRUE' } },
  disabled: { password: 'disabled#1', more: { sambaAcctFlags: '[DU         ]' } },
  // Of the two accounts that tests guess at, nobody is to lock this one.
  erin: { password: 'secret#erin', more: { pwdPolicySubentry: `cn=lenient,ou=policies,${SUFFIX}` } },
  'frank\\2C (x)*': { password: 'frank#1' },
}

const GROUP_MEMBERS: Readonly<Record<string, readonly string[]>> = {
  staff: [dnOf('alice')],
  vpn: [dnOf('carol'), `cn=staff,${GROUPS}`],
  banned: [dnOf('dave')],
  everybody: [`cn=vpn,${GROUPS}`],
}

const SCHEMA = `
attributetype ( 1.3.6.1.4.1.4203.666.77.1 NAME 'sambaNTPassword' EQUALITY caseIgnoreIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26{32} SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.4203.666.77.2 NAME 'sambaAcctFlags' EQUALITY caseIgnoreIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26{16} SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.4203.666.77.3 NAME 'sambaLogonHours' EQUALITY caseIgnoreIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26{42} SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.4203.666.77.4 NAME 'testFramedIPAddress' EQUALITY caseIgnoreIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.4203.666.77.5 NAME 'testRoute' EQUALITY caseIgnoreIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )
attributetype ( 1.3.6.1.4.1.4203.666.77.6 NAME 'testSecret' EQUALITY caseExactMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
objectclass ( 1.3.6.1.4.1.4203.666.77.9 NAME 'testUser' SUP top AUXILIARY
  MAY ( sambaNTPassword $ sambaAcctFlags $ sambaLogonHours $ testFramedIPAddress $ testRoute $ testSecret ) )
`

export interface Slapd {
  /** ldap://127.0.0.1:PORT, also for StartTLS. */
  readonly url: string
  readonly ldaps: string
  /** EXTERNAL over it is the service account, for root. */
  readonly ldapi: string
  /** With `ca.pem`, `client.pem` and `client.key`; the certificate of the server is of 127.0.0.1 and hooks.example. */
  readonly folder: string
  /** As the administrator, for a change or a look. */
  admin<T>(act: (client: Client) => Promise<T>): Promise<T>
  /** Whether it lets somebody in. */
  lets(dn: string, password: string): Promise<boolean>
  /** Ends it; `start` has it back on the same ports. */
  kill(signal?: NodeJS.Signals): Promise<void>
  start(): Promise<void>
  readonly pid: () => number
}

interface Scope {
  after(close: () => void | Promise<void>): void
}

interface SlapdOptions {
  /** It is a replica of that one. */
  readonly of?: Slapd
  /** More users, u0 to uN, each with the password `pw-uN`, loaded before it starts. */
  readonly crowd?: number
  /** Name of the network namespace that it listens in; the test's own when it is not given. */
  readonly netns?: string
}

/** Started and filled. */
export async function startSlapd(t: Scope, { of, crowd = 0, netns }: SlapdOptions = {}): Promise<Slapd> {
  const folder = mkdtempSync(join(tmpdir(), 'burrow-slapd-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(join(folder, 'db'))
  const [port, tlsPort] = await freePorts(2)
  const at = (file: string) => join(folder, file)
  const files = {
    'ca.pem': CA_PEM,
    'server.pem': SERVER_PEM,
    'server.key': SERVER_KEY,
    'client.pem': CLIENT_PEM,
    'client.key': CLIENT_KEY,
    'test.schema': SCHEMA,
    'slapd.conf': config(folder, of),
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(at(name), text, { mode: 0o600 })
  const url = `ldap://127.0.0.1:${port}`
  const ldaps = `ldaps://127.0.0.1:${tlsPort}`
  const ldapi = `ldapi://${encodeURIComponent(at('ldapi'))}`
  if (of === undefined) {
    writeFileSync(
      at('tree.ldif'),
      [...tree(), ...Array.from({ length: crowd }, (_, i) => person(`u${i}`, `pw-u${i}`))].join('\n'),
    )
    const { code, stderr } = await run(['slapadd', '-q', '-f', at('slapd.conf'), '-l', at('tree.ldif')], {
      deadlineMs: 60_000,
    })
    if (code !== 0) throw new Error(`slapadd: ${stderr}`)
  }
  // By the socket, which leads into every namespace.
  const asked = async <T>(dn: string, password: string, act: (client: Client) => Promise<T>) => {
    const client = new Client({ url: 'ldap://localhost', createConnection: () => connect(at('ldapi')) })
    try {
      await client.bind(dn, password)
      return await act(client)
    } finally {
      await client.unbind()
    }
  }
  let program: Program | undefined
  const slapd: Slapd = {
    url,
    ldaps,
    ldapi,
    folder,
    admin: act => asked(ADMIN.dn, ADMIN.password, act),
    lets: (dn, password) => asked(dn, password, async () => true).catch(() => false),
    async kill(signal = 'SIGKILL') {
      await program?.end(signal)
    },
    async start() {
      const began = start(['slapd', '-d', '0', '-f', at('slapd.conf'), '-h', `${url} ${ldaps} ${ldapi}`], {
        netns,
      })
      program = began
      await until('slapd', () => {
        if (!began.running()) throw new Error(`slapd ended: ${began.stderr()}`)
        return slapd.admin(async () => true).catch(() => false)
      })
    },
    pid: () => program?.pid ?? 0,
  }
  await slapd.start()
  t.after(() => slapd.kill())
  if (of === undefined) await addGroups(slapd)
  else await until('the replica', () => slapd.lets(SERVICE.dn, SERVICE.password), 20_000)
  return slapd
}

function config(folder: string, of: Slapd | undefined): string {
  const replica = `syncrepl rid=1 provider=${of?.url} type=refreshAndPersist retry="1 +" searchbase="${SUFFIX}" bindmethod=simple binddn="${ADMIN.dn}" credentials=${ADMIN.password}`
  return `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
include ${folder}/test.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
moduleload ppolicy
moduleload syncprov
pidfile ${folder}/slapd.pid
TLSCACertificateFile ${folder}/ca.pem
TLSCertificateFile ${folder}/server.pem
TLSCertificateKeyFile ${folder}/server.key
TLSVerifyClient try
authz-regexp "^cn=client$" "${SERVICE.dn}"
authz-regexp "^gidNumber=0\\\\+uidNumber=0,cn=peercred,cn=external,cn=auth$" "${SERVICE.dn}"
database mdb
maxsize 268435456
suffix "${SUFFIX}"
rootdn "${ADMIN.dn}"
rootpw ${ADMIN.password}
directory ${folder}/db
dbnosync
index objectClass,uid,member,entryUUID,entryCSN eq
access to attrs=userPassword,sambaNTPassword,testSecret by dn.exact="${SERVICE.dn}" read by anonymous auth by * none
access to * by dn.exact="${SERVICE.dn}" read by * read
${of === undefined ? '' : `${replica}\n`}overlay memberof
overlay ppolicy
ppolicy_default "cn=default,ou=policies,${SUFFIX}"
${of === undefined ? 'overlay syncprov\n' : ''}`
}

function tree(): readonly string[] {
  const unit = (name: string) => `dn: ou=${name},${SUFFIX}\nobjectClass: organizationalUnit\nou: ${name}\n`
  return [
    `dn: ${SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\no: Lab\ndc: lab\n`,
    ...['people', 'groups', 'services', 'policies'].map(unit),
    `dn: cn=default,ou=policies,${SUFFIX}
objectClass: device
objectClass: pwdPolicy
cn: default
pwdAttribute: userPassword
pwdLockout: TRUE
pwdLockoutDuration: 0
pwdMaxFailure: ${LOCKED_AFTER}
`,
    `dn: cn=lenient,ou=policies,${SUFFIX}
objectClass: device
objectClass: pwdPolicy
cn: lenient
pwdAttribute: userPassword
`,
    `dn: ${SERVICE.dn}\nobjectClass: account\nobjectClass: simpleSecurityObject\nuid: burrow\nuserPassword: ${SERVICE.password}\n`,
    ...Object.entries(USERS).map(([uid, { password, more = {} }]) => person(uid, password, more)),
  ]
}

function person(uid: string, password: string, more: Readonly<Record<string, string>> = {}): string {
  const lines = Object.entries(more).map(([name, value]) => `${name}: ${value}`)
  return `dn: ${dnOf(uid)}
objectClass: inetOrgPerson
objectClass: shadowAccount
objectClass: testUser
uid: ${uid.replaceAll('\\2C', ',')}
cn: ${uid}
sn: ${uid}
userPassword: ${password}
sambaNTPassword: ${Buffer.from(ntPasswordHash(password)).toString('hex').toUpperCase()}
testSecret: ${password}
${lines.join('\n')}${lines.length > 0 ? '\n' : ''}`
}

/** By the server, for its overlay to note them at the members. */
const addGroups = (slapd: Slapd) =>
  slapd.admin(async client => {
    for (const [cn, member] of Object.entries(GROUP_MEMBERS))
      await client.add(`cn=${cn},${GROUPS}`, { objectClass: 'groupOfNames', cn, member: [...member] })
  })

/** Free a moment ago. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports: number[] = []
  for (const server of servers) {
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    ports.push((server.address() as { readonly port: number }).port)
  }
  for (const server of servers) await new Promise(resolve => server.close(resolve))
  return ports
}
