/**
 * An Active Directory for a test: Debian's Samba as the domain controller of corp.example, in a folder and a network namespace of its
 * own, for its ports cannot be chosen. What asks it must run in that namespace. Provisioning takes some ten seconds: once for a file.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Attribute, Change, Client } from 'ldapts'
import { CA_PEM, SERVER_KEY, SERVER_PEM } from './certificates.ts'
import { makeNetns, type Netns } from './netns.ts'
import { run, start } from './processes.ts'
import { until } from './until.ts'

export const DOMAIN = 'dc=corp,dc=example'
export const USERS = `cn=Users,${DOMAIN}`
export const SERVICE = { dn: 'burrow@corp.example', password: 'Service#77' }
const ADMIN = { dn: `cn=Administrator,${USERS}`, password: 'Passw0rd.admin' }
/** The domain locks an account after so many wrong passwords. */
export const LOCKED_AFTER = 5
/** What its DNS says of it: no loopback address is registered. */
const ADDRESS = '10.99.0.1'
const PROVISION_MS = 120_000
const START_MS = 30_000

/** UF_NORMAL_ACCOUNT, UF_ACCOUNTDISABLE. */
const NORMAL = 512
const DISABLED = 2
/** 1 January 2020. */
const PAST_FILETIME = '132223104000000000'

/** alice is in Staff, which is in VPN; bob in nothing, dave in Banned. */
const PEOPLE: Readonly<Record<string, Readonly<Record<string, string | Buffer>>>> = {
  burrow: {},
  alice: { msRADIUSFramedIPAddress: '-1408237302', department: 'staff-pool' },
  bob: {},
  carol: {},
  dave: {},
  disabled: { userAccountControl: String(NORMAL | DISABLED) },
  expired: { accountExpires: PAST_FILETIME },
  locked: {},
  mustchange: { pwdLastSet: '0' },
  nohours: { logonHours: Buffer.alloc(21) },
}
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  Staff: [`cn=alice,${USERS}`],
  VPN: [`cn=Staff,${USERS}`, `cn=carol,${USERS}`],
  Banned: [`cn=dave,${USERS}`],
}
/** Of each of them but for Administrator. */
export const passwordOf = (user: string): string => (user === 'burrow' ? SERVICE.password : `Pw#1.${user}`)

export interface SambaDc {
  readonly netns: Netns
  readonly ldaps: string
  readonly ldap: string
  /** With `ca.pem`; the certificate is of 127.0.0.1 and hooks.example. */
  readonly folder: string
  /** As the administrator, within the namespace. */
  admin<T>(act: (client: Client) => Promise<T>): Promise<T>
  /** Whether it lets somebody in; within the namespace. */
  lets(name: string, password: string): Promise<boolean>
  end(): Promise<void>
}

export async function startSambaDc(t: { after(close: () => void | Promise<void>): void }): Promise<SambaDc> {
  const netns = makeNetns(t)
  netns.ip(`addr add ${ADDRESS}/32 dev lo`)
  const folder = mkdtempSync(join(tmpdir(), 'burrow-samba-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const at = (file: string) => join(folder, file)
  const files = { 'ca.pem': CA_PEM, 'server.pem': SERVER_PEM, 'server.key': SERVER_KEY }
  for (const [name, text] of Object.entries(files)) writeFileSync(at(name), text, { mode: 0o600 })
  const settings = {
    interfaces: 'lo',
    'bind interfaces only': 'yes',
    'server services': 'ldap, dns',
    'log file': at('log'),
    'pid directory': folder,
    'ncalrpc dir': at('ncalrpc'),
    'tls cafile': at('ca.pem'),
    'tls certfile': at('server.pem'),
    'tls keyfile': at('server.key'),
  }
  const provisioned = await run(
    [
      ...['samba-tool', 'domain', 'provision', '--targetdir', folder, '--realm', 'CORP.EXAMPLE'],
      ...['--domain', 'CORP', '--adminpass', ADMIN.password, '--server-role', 'dc', '--host-name', 'dc1'],
      ...['--host-ip', ADDRESS, '--dns-backend', 'SAMBA_INTERNAL'],
      ...Object.entries(settings).map(([name, value]) => `--option=${name}=${value}`),
    ],
    { netns: netns.name, deadlineMs: PROVISION_MS },
  )
  if (provisioned.code !== 0) throw new Error(`samba-tool: ${provisioned.stderr}`)
  const config = ['-s', at('etc/smb.conf'), '--debug-stdout']
  const samba = start(['samba', '--foreground', '--no-process-group', '--model=single', ...config], {
    netns: netns.name,
  })
  const ldaps = 'ldaps://127.0.0.1'
  const asked = async <T>(dn: string, password: string, act: (client: Client) => Promise<T>) => {
    const client = new Client({ url: ldaps, tlsOptions: { ca: CA_PEM } })
    try {
      await client.bind(dn, password)
      return await act(client)
    } finally {
      await client.unbind()
    }
  }
  const dc: SambaDc = {
    netns,
    ldaps,
    ldap: 'ldap://127.0.0.1',
    folder,
    admin: act => asked(ADMIN.dn, ADMIN.password, act),
    lets: (name, password) => asked(name, password, async () => true).catch(() => false),
    end: async () => void (await samba.end('SIGKILL')),
  }
  t.after(() => dc.end())
  await netns.inside(async () => {
    await until(
      'the domain controller',
      () => {
        if (!samba.running()) throw new Error(`samba ended: ${samba.stdout()}${samba.stderr()}`)
        return dc.lets(ADMIN.dn, ADMIN.password)
      },
      START_MS,
    )
    await dc.admin(fill)
    for (let guess = 0; guess < LOCKED_AFTER; guess++) await dc.lets('locked@corp.example', `guess ${guess}`)
  })
  return dc
}

async function fill(client: Client): Promise<void> {
  const replace = (type: string, value: string) =>
    new Change({ operation: 'replace', modification: new Attribute({ type, values: [value] }) })
  await client.modify(DOMAIN, [
    replace('lockoutThreshold', String(LOCKED_AFTER)),
    replace('lockoutDuration', '-18000000000'),
    replace('lockOutObservationWindow', '-18000000000'),
  ])
  for (const [name, more] of Object.entries(PEOPLE)) {
    const all = {
      objectClass: 'user',
      sAMAccountName: name,
      userPrincipalName: `${name}@corp.example`,
      userAccountControl: String(NORMAL),
      unicodePwd: Buffer.from(`"${passwordOf(name)}"`, 'utf16le'),
      ...more,
    }
    const attributes = Object.entries(all).map(
      ([type, value]) => new Attribute({ type, values: [value] as string[] | Buffer[] }),
    )
    await client.add(`cn=${name},${USERS}`, attributes)
  }
  for (const [name, member] of Object.entries(GROUPS))
    await client.add(`cn=${name},${USERS}`, {
      objectClass: 'group',
      sAMAccountName: name,
      member: [...member],
    })
}
