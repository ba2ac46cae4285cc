/** What is known of each kind of directory: a table of defaults. */
import type { AuthMethod } from 'burrow'

export type DirectoryKind = 'openldap' | 'active-directory' | 'freeipa'

export interface DirectoryDefaults {
  /** What people call it. */
  readonly title: string
  readonly filter: string
  /** Whose value is the name of an account. */
  readonly userAttribute: string
  readonly groupsFrom: 'memberOf' | 'search'
  readonly nested: 'no' | 'walk' | 'in-chain'
  /** Attributes that speak against an account. */
  readonly state: readonly string[]
  /** Attributes that it lets nobody read, in lower case. */
  readonly unreadable: readonly string[]
  /** Name of the SRV records. */
  readonly service: string
  /** What to do for methods that it cannot verify. */
  readonly advice: string
}

const PAP_INSIDE_IPSEC = 'offer pap alone (`ppp: { auth: [pap] }`) inside of IPsec'

export const DIRECTORIES: Readonly<Record<DirectoryKind, DirectoryDefaults>> = {
  openldap: {
    title: 'OpenLDAP',
    filter: '(&(objectClass=person)(uid={account}))',
    userAttribute: 'uid',
    groupsFrom: 'search',
    nested: 'no',
    state: ['shadowExpire', 'pwdAccountLockedTime', 'pwdReset', 'sambaAcctFlags', 'sambaLogonHours'],
    unreadable: [],
    service: '_ldap._tcp',
    advice: `${PAP_INSIDE_IPSEC}; or name an attribute that holds the NT hash (ntHashAttribute: sambaNTPassword, for mschapv2) or the password in clear text (clearTextAttribute, for chap-md5 and mschapv2)`,
  },
  'active-directory': {
    title: 'Active Directory',
    filter:
      '(&(objectCategory=person)(objectClass=user)(|(sAMAccountName={account})(userPrincipalName={user})))',
    userAttribute: 'sAMAccountName',
    groupsFrom: 'memberOf',
    nested: 'in-chain',
    state: [
      ...['userAccountControl', 'accountExpires', 'pwdLastSet', 'logonHours'],
      ...['msDS-User-Account-Control-Computed', 'lockoutTime'],
    ],
    unreadable: [
      'unicodepwd',
      'userpassword',
      'dbcspwd',
      'supplementalcredentials',
      'ntpwdhistory',
      'lmpwdhistory',
    ],
    service: '_ldap._tcp.dc._msdcs',
    advice: `${PAP_INSIDE_IPSEC}; or ask the domain by RADIUS (auth-radius, to an NPS), which verifies chap-md5 and mschapv2 itself`,
  },
  freeipa: {
    title: 'FreeIPA',
    filter: '(&(objectClass=posixAccount)(uid={account}))',
    userAttribute: 'uid',
    groupsFrom: 'memberOf',
    // Its memberOf holds the groups of groups, too.
    nested: 'no',
    state: ['nsAccountLock', 'shadowExpire'],
    unreadable: ['userpassword', 'krbprincipalkey'],
    service: '_ldap._tcp',
    advice: `${PAP_INSIDE_IPSEC}; or give the service account the right to read ipaNTHash (ntHashAttribute: ipaNTHash, for mschapv2)`,
  },
}

/** Those that a directory could ever verify; others are for other plugins. */
export const METHODS = ['pap', 'chap-md5', 'mschapv2'] as const satisfies readonly AuthMethod[]
export type Method = (typeof METHODS)[number]
export const isMethod = (method: string): method is Method => (METHODS as readonly string[]).includes(method)
