/** auth-ldap without a directory: what its options may be, and what is read of names, filters and entries. */
import assert from 'node:assert/strict'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { BurrowError } from '../../core/errors.ts'
import { FakeServer } from '../../core/testing/fake-server.ts'
import { loadPlugin } from '../../core/testing/plugin-harness.ts'
import { aFolder } from '../../core/testing/samples.ts'
import { VirtualClock } from '../../core/testing/virtual-clock.ts'
import { STATE_ATTRIBUTES, stateOf } from '../../plugins/auth-ldap/account-state.ts'
import { refusalOf } from '../../plugins/auth-ldap/bind-answers.ts'
import { BindFailures } from '../../plugins/auth-ldap/bind-failures.ts'
import { Entry } from '../../plugins/auth-ldap/entry.ts'
import { EntryCache } from '../../plugins/auth-ldap/entry-cache.ts'
import { parseFilter } from '../../plugins/auth-ldap/filter-template.ts'
import { grantOfEntry } from '../../plugins/auth-ldap/grant.ts'
import authLdap from '../../plugins/auth-ldap/index.ts'
import { logonHoursAt } from '../../plugins/auth-ldap/logon-hours.ts'
import { bindName, comparableDn, firstValue, isBelow, parseName } from '../../plugins/auth-ldap/names.ts'
import { writeClientFiles } from '../support/certificates.ts'
import { gate } from '../support/gate.ts'

const GOOD = {
  urls: ['ldaps://ldap.example.net'],
  service: { dn: 'cn=burrow,dc=example,dc=net', password: 'secret' },
  base: 'dc=example,dc=net',
  methods: ['pap'],
}

for (const [what, options] of [
  ['a url of another kind', { urls: ['http://ldap.example.net'] }],
  ['a url with a path', { urls: ['ldaps://ldap.example.net/dc=example'] }],
  ['a url with a password', { urls: ['ldaps://me:pw@ldap.example.net'] }],
  ['a port that is none', { urls: ['ldaps://ldap.example.net:99999'] }],
  ['passwords in the clear over a network', { urls: ['ldap://ldap.example.net'] }],
  ['TLS within TLS', { startTls: true }],
  ['neither servers nor a way to find them', { urls: undefined }],
  ['both servers and a way to find them', { srv: { domain: 'example.net' } }],
  ['a certificate without its key', { certFile: 'client.pem' }],
  ['a filter that is none', { filter: '(uid={account}' }],
  ['a placeholder that could be a filter', { filter: '{account}' }],
  ['a placeholder within a substring', { filter: '(uid=*{account}*)' }],
  ['nobody who could search', { service: undefined }],
  ['users who all bind as one', { bindAs: 'cn=admin,dc=example,dc=net' }],
  [
    'clear text that nobody can read',
    { service: undefined, bindAs: '{account}', clearTextAttribute: 'userPassword' },
  ],
  ['in-chain where no directory knows it', { groups: { nested: 'in-chain' } }],
  ['a walk by a filter without a DN', { groups: { nested: 'walk', filter: '(memberUid={account})' } }],
] as const) {
  test(`does not load with ${what}: LDAP_CONFIG`, async () => {
    const all = JSON.parse(JSON.stringify({ ...GOOD, ...options }))
    await assert.rejects(loadPlugin(authLdap, { options: all }), { code: 'LDAP_CONFIG' })
  })
}

for (const options of [
  { urls: ['ldap://ldap.example.net'], startTls: true },
  { urls: ['ldap://ldap.example.net'], allowClearText: true },
  { urls: ['ldap://127.0.0.1:3389', 'ldap://[::1]', 'ldapi://%2Frun%2Fslapd%2Fldapi'] },
  { urls: undefined, srv: { domain: 'example.net' } },
  { service: { external: true } },
  { directory: 'active-directory', groups: { nested: 'in-chain' } },
  { grant: { pool: 'main', dns: ['192.0.2.1'] }, attributes: { address: 'radiusFramedIPAddress' } },
]) {
  test(`loads with ${JSON.stringify(options)}`, async () => {
    await loadPlugin(authLdap, { options: JSON.parse(JSON.stringify({ ...GOOD, ...options })) })
  })
}

test('files of TLS are read at the check: LDAP_CONFIG, with the file', async t => {
  const configDir = aFolder(t)
  writeClientFiles(configDir)
  const load = (more: object) => loadPlugin(authLdap, { options: { ...GOOD, ...more }, configDir })
  for (const [more, file] of [
    [{ caFile: 'nothing' }, 'nothing'],
    [{ caFile: 'plain' }, 'plain'],
    [{ certFile: 'client.pem', keyFile: 'other.key' }, 'other.key'],
  ] as const)
    await assert.rejects(load(more), ({ code, place }: BurrowError) => {
      assert.deepEqual([code, place.file], ['LDAP_CONFIG', join(configDir, file)])
      return true
    })
  chmodSync(join(configDir, 'client.key'), 0o640)
  const { log } = await load({ caFile: 'ca.pem', certFile: 'client.pem', keyFile: 'client.key' })
  assert.deepEqual(
    log.map(({ level }) => level),
    ['warn'],
  )
})

for (const [what, offered, options, unable] of [
  [
    'CHAP without clear text',
    ['chap-md5', 'pap'],
    { methods: undefined },
    /verify pap, and `ppp.auth` offers chap-md5 as well: .*clearTextAttribute/,
  ],
  ['what `methods` claims', ['pap'], { methods: ['pap', 'mschapv2'] }, /`methods` lists mschapv2 as well/],
  [
    'CHAP of Active Directory',
    ['chap-md5'],
    { methods: undefined, directory: 'active-directory' },
    /Active Directory\) can verify pap, .*offer pap alone .*inside of IPsec; or ask the domain by RADIUS/,
  ],
  [
    'a hash that Active Directory shows nobody',
    ['pap'],
    { directory: 'active-directory', ntHashAttribute: 'unicodePwd' },
    /Active Directory lets nobody read unicodePwd/,
  ],
] as const) {
  test(`says at the check that it cannot verify ${what}: LDAP_METHODS`, async () => {
    const server = new FakeServer()
    server.authMethods = offered
    const all = JSON.parse(JSON.stringify({ ...GOOD, ...options }))
    await assert.rejects(loadPlugin(authLdap, { options: all, server }), ({ code, message }: BurrowError) => {
      assert.equal(code, 'LDAP_METHODS')
      assert.match(message, unable)
      return true
    })
  })
}

test('methods of ppp.auth that it can verify are all of them served', async () => {
  const server = new FakeServer()
  server.authMethods = ['mschapv2', 'chap-md5', 'pap']
  const options = { ...GOOD, methods: undefined, clearTextAttribute: 'userPassword' }
  await loadPlugin(authLdap, { options: JSON.parse(JSON.stringify(options)), server })
})

test('names: realms, domains, case, and what nobody is called', () => {
  const rules = { realms: ['lab.test', 'lab'], withoutRealm: 'accept', nameCase: 'fold' } as const
  const given = (raw: string, more: Partial<Parameters<typeof parseName>[1]> = {}) => {
    const name = parseName(raw, { ...rules, ...more })
    return typeof name === 'string' ? name : `${name.account} of ${name.realm}`
  }
  assert.equal(given('Alice'), 'alice of lab.test')
  assert.equal(given('alice@LAB'), 'alice of lab.test')
  assert.equal(given('LAB\\alice'), 'alice of lab.test')
  assert.equal(given('a@b@lab'), 'a@b of lab.test')
  assert.equal(given('alice', { withoutRealm: 'next' }), 'elsewhere')
  assert.equal(given('alice@other'), 'elsewhere')
  assert.equal(given('Alice', { nameCase: 'exact' }), 'Alice of lab.test')
  assert.equal(given('alice@other', { realms: [] }), 'alice@other of undefined')
  assert.equal(given('jose\u0301'), 'jos\u00e9 of lab.test')
  for (const raw of ['', ' a', 'a ', 'a  b', 'a\0', 'a\u200b', '\uff41', '@lab', 'a'.repeat(256)])
    assert.equal(given(raw), 'nobody', JSON.stringify(raw))
})

test('a name within a DN is a value, whatever it holds', () => {
  const name = { user: 'u', account: ' a,b=c+d"e\\f<g>;#' }
  assert.equal(bindName('uid={account},dc=x', name), 'uid=\\ a\\,b\\=c\\+d\\"e\\\\f\\<g\\>\\;#,dc=x')
  assert.equal(bindName('{account}@x', { user: 'u', account: 'a,b' }), 'a,b@x')
  assert.equal(firstValue('cn=a\\,b \\2B\\ c,dc=x'), 'a,b + c')
  assert.equal(comparableDn('CN=A\\, b , DC = x'), 'cn=a\\, b,dc=x')
  assert.ok(isBelow('cn=a,ou=g,dc=x', 'OU=G, DC=x') && isBelow('dc=x', 'dc=x'))
  assert.ok(!isBelow('cn=a,ou=other-g,dc=x', 'g,dc=x') && !isBelow('cn=a,dc=y', 'dc=x'))
})

test('a name within a filter is a value, whatever it holds', () => {
  const template = parseFilter(
    '(&(|(uid={account})(mail={user}))(!(ou={realm}))(memberOf:1.2.3:={dn})(cn=a*))',
  )
  const filter = template({ account: '*)(uid=*', user: '\\2a', realm: '(', dn: 'cn=x' })
  assert.equal(
    filter.toString(),
    '(&(|(uid=\\2a\\29\\28uid=\\2a)(mail=\\5c2a))(!(ou=\\28))(memberOf:1.2.3:=cn=x)(cn=a*))',
  )
})

const NOW = Date.UTC(2026, 0, 1)
const FILETIME = (ms: number) => String((BigInt(ms) + 11_644_473_600_000n) * 10_000n)
const state = (attributes: Readonly<Record<string, string | Buffer>>, bound = false) =>
  stateOf(new Entry({ dn: 'cn=x', ...attributes }), STATE_ATTRIBUTES, { wallTimeMs: NOW, bound })

for (const [attributes, bad] of [
  [{ userAccountControl: '512' }, false],
  [{ userAccountControl: '514' }, true],
  [{ userAccountControl: String(512 + 0x80_0000) }, true],
  [{ 'msDS-User-Account-Control-Computed': '16' }, true],
  [{ 'msDS-User-Account-Control-Computed': '0', lockoutTime: '1' }, false],
  [{ lockoutTime: '1' }, true],
  [{ lockoutTime: '0' }, false],
  [{ accountExpires: '0' }, false],
  [{ accountExpires: '9223372036854775807' }, false],
  [{ accountExpires: FILETIME(NOW) }, true],
  [{ accountExpires: FILETIME(NOW + 5000) }, false],
  [{ accountExpires: 'soon' }, true],
  [{ pwdLastSet: '0' }, true],
  [{ pwdLastSet: '0', userAccountControl: String(512 + 0x1_0000) }, false],
  [{ shadowExpire: '-1' }, false],
  [{ shadowExpire: String(NOW / 86_400_000) }, true],
  [{ shadowExpire: String(NOW / 86_400_000 + 1) }, false],
  [{ pwdAccountLockedTime: '20251231235959Z' }, true],
  [{ pwdReset: 'TRUE' }, true],
  [{ pwdReset: 'FALSE' }, false],
  [{ nsAccountLock: 'true' }, true],
  [{ sambaAcctFlags: '[U          ]' }, false],
  [{ sambaAcctFlags: '[UL         ]' }, true],
  [{ sambaAcctFlags: 'U' }, true],
  [{ logonHours: Buffer.alloc(21) }, true],
  [{ logonHours: Buffer.alloc(21, 0xff) }, false],
  [{ logonHours: Buffer.alloc(3) }, true],
] as const) {
  test(`the state of ${JSON.stringify(attributes)} is ${bad ? 'bad' : 'good'}`, () => {
    assert.equal(state(attributes).kind, bad ? 'bad' : 'good')
  })
}

test('what the directory has just let in is not locked; what an entry says was read before', () => {
  const locks = {
    'msDS-User-Account-Control-Computed': '16',
    lockoutTime: '1',
    pwdAccountLockedTime: '20251231235959Z',
    sambaAcctFlags: '[UL]',
  }
  assert.equal(state(locks, true).kind, 'good')
  assert.equal(state({ pwdAccountLockedTime: '000001010000Z' }, true).kind, 'bad')
})

test('a session ends when the account does, or its hours', () => {
  assert.deepEqual(state({ accountExpires: FILETIME(NOW + 5000) }), { kind: 'good', forS: 5 })
  assert.deepEqual(
    state({ shadowExpire: String(NOW / 86_400_000 + 1), accountExpires: FILETIME(NOW + 5000) }),
    { kind: 'good', forS: 5 },
  )
})

test('logon hours are of the week, in UTC, the lowest bit first', () => {
  // 1 January 2026 was a Thursday.
  const bits = Buffer.alloc(21)
  const allow = (day: number, hour: number) => {
    const bit = day * 24 + hour
    bits[bit >> 3] = (bits[bit >> 3] ?? 0) | (1 << (bit & 7))
  }
  allow(4, 0)
  allow(4, 1)
  assert.deepEqual(logonHoursAt(bits, NOW), { kind: 'now', forS: 7200 })
  assert.deepEqual(logonHoursAt(bits, NOW + 5_400_000), { kind: 'now', forS: 1800 })
  assert.deepEqual(logonHoursAt(bits.toString('hex'), NOW + 7_200_000), { kind: 'not-now' })
  assert.deepEqual(logonHoursAt(bits, NOW - 1), { kind: 'not-now' })
  assert.deepEqual(logonHoursAt(Buffer.alloc(21, 0xff), NOW), { kind: 'now' })
  // From Saturday 23:00 on into Sunday.
  bits.fill(0)
  allow(6, 23)
  allow(0, 0)
  assert.deepEqual(logonHoursAt(bits, NOW + 2 * 86_400_000 + 23 * 3_600_000), { kind: 'now', forS: 7200 })
})

test('attributes become a grant, or refuse', () => {
  const read = (
    attributes: Readonly<Record<string, string>>,
    values: Readonly<Record<string, string | string[]>>,
  ) => grantOfEntry(new Entry({ dn: 'cn=x', ...values }), attributes)
  assert.deepEqual(read({ address: 'a' }, { a: '-1408237302' }), {
    kind: 'grant',
    grant: { address: '172.16.1.10' },
  })
  assert.deepEqual(read({ address: 'a' }, { a: '2886729994' }), {
    kind: 'grant',
    grant: { address: '172.16.1.10' },
  })
  for (const choice of ['255.255.255.254', '-1', '-2'])
    assert.deepEqual(read({ address: 'a' }, { a: choice }), { kind: 'grant', grant: {} })
  assert.deepEqual(
    read(
      { routes: 'r', dns: 'd', upRateBps: 'u' },
      { r: ['10.0.0.0/8 0.0.0.0 1', '10.1.0.0/16'], d: '1.1.1.1', u: '5' },
    ),
    {
      kind: 'grant',
      grant: { routes: ['10.0.0.0/8', '10.1.0.0/16'], dns: ['1.1.1.1'], upRateBps: 5 },
    },
  )
  assert.deepEqual(read({ pool: 'p' }, {}), { kind: 'grant', grant: {} })
  for (const [field, value] of [
    ['address', 'here'],
    ['address', '99999999999'],
    ['address', ['1.1.1.1', '1.1.1.2']],
    ['pool', ['a', 'b']],
    ['routes', '10.0.0.1/8'],
    ['sessionTimeoutS', '0'],
    ['sessionTimeoutS', '1e3'],
    ['dns', ['1.1.1.1', '1.1.1.2', '1.1.1.3']],
    ['delegatedPrefix', '2001:db8::'],
  ] as const)
    assert.equal(read({ [field]: 'x' }, { X: value as string }).kind, 'unreadable', `${field} ${value}`)
})

test('what a refused bind means', () => {
  const ad = (code: string) =>
    refusalOf(
      `80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data ${code}, v1db1 Code: 0x31`,
    )
  assert.deepEqual(ad('52e'), { text: 'wrong password', wrongPassword: true, unknownUser: false })
  assert.deepEqual(ad('533'), { text: 'the account is disabled', wrongPassword: false, unknownUser: false })
  assert.equal(ad('525').unknownUser, true)
  assert.deepEqual(refusalOf('Code: 0x31'), {
    text: 'wrong password',
    wrongPassword: true,
    unknownUser: false,
  })
  assert.match(refusalOf('Account inactivated Code: 0x35').text, /Account inactivated/)
})

test('failures are forgotten by success and in time; a bind that throws is none', async () => {
  const clock = new VirtualClock()
  const failures = new BindFailures(clock)
  const limit = { failures: 2, windowMs: 1000 }
  const wrong = (answer: string) => answer === 'wrong'
  const bind = (answer: string, key = 'a') => failures.run(key, limit, async () => answer, wrong)
  assert.equal(await bind('wrong'), 'wrong')
  assert.equal(await bind('right'), 'right')
  assert.deepEqual([await bind('wrong'), await bind('wrong')], ['wrong', 'wrong'])
  assert.deepEqual(await bind('right'), { kind: 'held', forS: 1 })
  assert.equal(await bind('right', 'b'), 'right')
  await clock.advance(1000)
  assert.equal(await bind('right'), 'right')
  const broken = failures.run('c', limit, () => Promise.reject(new Error('gone')), wrong)
  await assert.rejects(broken, /gone/)
  assert.deepEqual([await bind('wrong', 'c'), await bind('right', 'c')], ['wrong', 'right'])
})

test('no more binds run at once than may fail, and who waited is held back when they did', async () => {
  const failures = new BindFailures(new VirtualClock())
  const { opened, open } = gate()
  let running = 0
  const bind = () =>
    failures.run(
      'a',
      { failures: 2, windowMs: 1000 },
      async () => {
        running++
        await opened
        return 'wrong'
      },
      () => true,
    )
  const all = Array.from({ length: 10 }, bind)
  assert.equal(running, 2)
  open()
  const held = (await Promise.all(all)).filter(answer => typeof answer === 'object')
  assert.deepEqual([running, held.length], [2, 8])
})

test('the cache is bounded, and forgets', async () => {
  const clock = new VirtualClock()
  const cache = new EntryCache<number>(clock, 2, 1000)
  for (const [index, key] of ['a', 'b', 'c'].entries()) cache.set(key, index)
  assert.deepEqual(
    ['a', 'b', 'c'].map(key => cache.get(key)),
    [undefined, 1, 2],
  )
  await clock.advance(1000)
  assert.equal(cache.get('c'), undefined)
  const none = new EntryCache<number>(clock, 0, 1000)
  none.set('a', 1)
  assert.equal(none.get('a'), undefined)
})
