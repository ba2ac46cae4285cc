/** auth-ldap against OpenLDAP: the contract by every method, who may come in, and with what. */
import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import { USERS } from '../../core/index.ts'
import { authenticatorContract } from '../../core/testing/contracts/authenticator.ts'
import { type Harness, startPlugin } from '../../core/testing/plugin-harness.ts'
import { chapProof, mschapv2Proof, papProof } from '../../core/testing/proofs.ts'
import { aSession } from '../../core/testing/samples.ts'
import authLdap from '../../plugins/auth-ldap/index.ts'
import { skipWithout } from '../setup/peers.ts'
import { startRelay } from '../support/relay.ts'
import {
  dnOf,
  GROUPS,
  LOCKED_AFTER,
  PEOPLE,
  SERVICE,
  type Slapd,
  SUFFIX,
  startSlapd,
} from '../support/slapd.ts'

const skip = skipWithout('directories')
const METHODS = ['pap', 'chap-md5', 'mschapv2']
let slapd: Slapd

if (skip === false) slapd = await startSlapd({ after })

const optionsOf = (more: object = {}) => ({
  urls: [slapd.url],
  service: SERVICE,
  base: PEOPLE,
  methods: METHODS,
  clearTextAttribute: 'userPassword',
  ntHashAttribute: 'sambaNTPassword',
  groups: { base: GROUPS },
  ...more,
})
const start = (t: TestContext, more: object = {}) => startPlugin(t, authLdap, { options: optionsOf(more) })

for (const [how, prove, more] of [
  ['a bind', papProof, {}],
  [
    'a bind without a search',
    papProof,
    {
      service: undefined,
      bindAs: `uid={account},${PEOPLE}`,
      methods: ['pap'],
      clearTextAttribute: undefined,
      ntHashAttribute: undefined,
      unknownUser: 'reject',
    },
  ],
  ['CHAP', chapProof, {}],
  ['CHAP and another attribute', chapProof, { clearTextAttribute: 'testSecret' }],
  ['MS-CHAPv2 and an NT hash', mschapv2Proof, { clearTextAttribute: undefined, methods: ['mschapv2'] }],
  ['MS-CHAPv2 and clear text', mschapv2Proof, { ntHashAttribute: undefined }],
] as const) {
  if (skip !== false) {
    test(`auth-ldap by ${how}`, { skip }, () => {})
    continue
  }
  // So that guesses reach the directory, which does not lock this one.
  const options = () => JSON.parse(JSON.stringify(optionsOf({ nameCase: 'exact', bindFailures: 0, ...more })))
  const through = async (t: TestContext, onUnavailable?: 'reject' | 'next') => {
    const relay = await startRelay(t, Number(new URL(slapd.url).port))
    const setting = { options: { ...options(), urls: [`ldap://127.0.0.1:${relay.port}`] } }
    const plugin = await startPlugin(
      t,
      authLdap,
      onUnavailable === undefined ? setting : { ...setting, onUnavailable },
    )
    return { relay, plugin }
  }
  authenticatorContract({
    name: `auth-ldap by ${how}`,
    make: t => startPlugin(t, authLdap, { options: options() }),
    user: 'erin',
    secret: 'secret#erin',
    prove,
    unknown: 'unknownUser' in more ? 'reject' : 'pass',
    makeUnavailable: async (t, onUnavailable) => {
      const { relay, plugin } = await through(t, onUnavailable)
      await relay.down()
      return { plugin, repair: () => relay.up() }
    },
    makeHung: async t => {
      const { relay, plugin } = await through(t)
      relay.hang()
      return plugin
    },
  })
}

async function reasonOf(plugin: Harness, user: string, password: string): Promise<readonly [string, string]> {
  const { verdict, trail } = await plugin.authenticate(user, papProof(password))
  return [verdict?.kind ?? 'pass', trail[0]?.reason ?? '']
}

async function grantOf(plugin: Harness, user: string, password: string) {
  const { verdict } = await plugin.authenticate(user, papProof(password))
  assert.equal(verdict?.kind, 'accept')
  return verdict.grant
}

test('the trail shows server, entry, bind, groups and rule', { skip }, async t => {
  const plugin = await start(t, {
    groups: { base: GROUPS, nested: 'walk', required: ['vpn'], refused: ['banned'] },
    groupGrants: [{ group: 'staff', grant: { pool: 'staff' } }],
    attributes: { address: 'testFramedIPAddress' },
  })
  assert.deepEqual(await reasonOf(plugin, 'alice', 'wonderland'), [
    'accept',
    `${slapd.url}; ${dnOf('alice')}; bound at ${slapd.url}; in everybody, staff, vpn; required group vpn; granted by group staff; by attribute address`,
  ])
  const [kind, reason] = await reasonOf(plugin, 'dave', 'dave#1')
  assert.equal(kind, 'reject')
  assert.match(reason, /; in banned; in the refused group banned$/)
  assert.match(
    (await reasonOf(plugin, 'bob', 'builder'))[1],
    /; in no group; in none of the required groups vpn$/,
  )
  assert.match((await reasonOf(plugin, 'alice', 'guess'))[1], /; wrong password \(bind as uid=alice/)
})

for (const [from, nested, alices] of [
  ['search', 'no', ['staff']],
  ['search', 'walk', ['staff', 'vpn', 'everybody']],
  ['memberOf', 'no', ['staff']],
  ['memberOf', 'walk', ['staff', 'vpn', 'everybody']],
] as const) {
  test(`groups by ${from}, nested: ${nested}`, { skip }, async t => {
    const all = ['staff', 'vpn', 'everybody', 'banned']
    for (const wanted of all) {
      const plugin = await start(t, { groups: { base: GROUPS, from, nested, required: [wanted] } })
      const [kind] = await reasonOf(plugin, 'alice', 'wonderland')
      assert.equal(kind, (alices as readonly string[]).includes(wanted) ? 'accept' : 'reject', wanted)
    }
  })
}

test('groups nested deeper than the bound refuse: what is refused could be among them', { skip }, async t => {
  const groups = { base: GROUPS, nested: 'walk', refused: ['banned'] }
  assert.equal(
    (await reasonOf(await start(t, { groups: { ...groups, depth: 2 } }), 'alice', 'wonderland'))[0],
    'accept',
  )
  const [kind, reason] = await reasonOf(
    await start(t, { groups: { ...groups, depth: 1 } }),
    'alice',
    'wonderland',
  )
  assert.deepEqual([kind, /nested deeper than 1$/.test(reason)], ['reject', true])
})

test('groups in a circle are walked once', { skip }, async t => {
  const circle = ['ring1', 'ring2'].map(cn => `cn=${cn},${GROUPS}`)
  await slapd.admin(async client => {
    for (const [index, dn] of circle.entries())
      await client.add(dn, {
        objectClass: 'groupOfNames',
        cn: `ring${index + 1}`,
        member: [circle[1 - index] ?? '', dnOf('bob')],
      })
  })
  t.after(() =>
    slapd.admin(async client => {
      for (const dn of circle) await client.del(dn)
    }),
  )
  const plugin = await start(t, { groups: { base: GROUPS, nested: 'walk', required: ['ring2'] } })
  assert.equal((await reasonOf(plugin, 'bob', 'builder'))[0], 'accept')
})

test('a group is named by DN, or by name below the base: elsewhere anybody may have made one', {
  skip,
}, async t => {
  const elsewhere = `cn=vpn,ou=people,${SUFFIX}`
  await slapd.admin(client =>
    client.add(elsewhere, { objectClass: 'groupOfNames', cn: 'vpn', member: dnOf('bob') }),
  )
  t.after(() => slapd.admin(client => client.del(elsewhere)))
  const kindWith = async (required: string) =>
    (
      await reasonOf(
        await start(t, { groups: { base: GROUPS, from: 'memberOf', required: [required] } }),
        'bob',
        'builder',
      )
    )[0]
  assert.equal(await kindWith('vpn'), 'reject')
  assert.equal(await kindWith(`CN=vpn, ou=people, ${SUFFIX}`), 'accept')
})

for (const [user, password, why] of [
  ['expired', 'expired#1', 'shadowExpire'],
  ['reset', 'reset#1', 'pwdReset'],
  ['disabled', 'disabled#1', 'sambaAcctFlags'],
] as const) {
  test(`an account is refused for its ${why}, by any method, unless the config ignores it`, {
    skip,
  }, async t => {
    const plugin = await start(t)
    for (const prove of [papProof, chapProof, (secret: string) => mschapv2Proof(secret, user)]) {
      const { verdict } = await plugin.authenticate(user, prove(password))
      assert.equal(verdict?.kind, 'reject')
      assert.match(verdict.reason, new RegExp(`\\(${why}\\)$`))
    }
    const careless = await start(t, { ignoreState: [why] })
    assert.equal((await reasonOf(careless, user, password))[0], 'accept')
  })
}

test('guesses are held back before the directory locks the account for everything else', {
  skip,
}, async t => {
  const plugin = await start(t)
  for (let guess = 0; guess < 4 * LOCKED_AFTER; guess++)
    await plugin.authenticate('carol', papProof(`guess ${guess}`))
  const [kind, reason] = await reasonOf(plugin, 'carol', 'carol#1')
  assert.deepEqual([kind, /held back for 1800 s: 4 wrong/.test(reason)], ['reject', true])
  assert.ok(await slapd.lets(dnOf('carol'), 'carol#1'), 'the directory has not locked it')
  await plugin.clock.advance(1_800_000)
  assert.equal((await reasonOf(plugin, 'carol', 'carol#1'))[0], 'accept')
})

test('guesses at once are held back as well, and a right password among them comes in', { skip }, async t => {
  const plugin = await start(t)
  const guesses = Array.from({ length: 20 }, (_, guess) =>
    plugin.authenticate('carol', papProof(`guess ${guess}`)),
  )
  await Promise.all(guesses)
  assert.ok(await slapd.lets(dnOf('carol'), 'carol#1'))
  const other = await start(t)
  const many = Array.from({ length: 20 }, () => other.authenticate('carol', papProof('carol#1')))
  for (const { verdict } of await Promise.all(many)) assert.equal(verdict?.kind, 'accept')
})

test('without a limit the directory locks the account: the test above can fail', { skip }, async t => {
  const plugin = await start(t, { bindFailures: 0 })
  for (let guess = 0; guess < LOCKED_AFTER; guess++)
    await plugin.authenticate('bob', papProof(`guess ${guess}`))
  t.after(() =>
    slapd.admin(async client => {
      const { Attribute, Change } = await import('ldapts')
      await client.modify(
        dnOf('bob'),
        new Change({ operation: 'delete', modification: new Attribute({ type: 'pwdAccountLockedTime' }) }),
      )
    }),
  )
  assert.equal((await reasonOf(plugin, 'bob', 'builder'))[0], 'reject')
  const { verdict } = await plugin.authenticate('bob', chapProof('builder'))
  assert.equal(verdict?.kind, 'reject')
  assert.match(verdict.reason, /locked \(pwdAccountLockedTime\)$/)
})

test('a dry run counts nothing', { skip }, async t => {
  const plugin = await start(t)
  const dry = () =>
    plugin.authenticate('erin', papProof('guess'), { inquiry: plugin.inquiry({ dryRun: true }) })
  for (let guess = 0; guess < 6; guess++) await dry()
  assert.equal((await reasonOf(plugin, 'erin', 'secret#erin'))[0], 'accept')
})

test('attributes, groups and the config grant in this order', { skip }, async t => {
  const plugin = await start(t, {
    attributes: { address: 'testFramedIPAddress', routes: 'testRoute' },
    groups: { base: GROUPS, nested: 'walk' },
    groupGrants: [
      { group: 'staff', grant: { pool: 'staff', upRateBps: 1000 } },
      { group: 'vpn', grant: { pool: 'vpn', downRateBps: 2000, address: '172.16.1.9' } },
    ],
    grant: { zone: 'lab', pool: 'main', idleTimeoutS: 60 },
  })
  assert.deepEqual(await grantOf(plugin, 'alice', 'wonderland'), {
    zone: 'lab',
    pool: 'staff',
    idleTimeoutS: 60,
    upRateBps: 1000,
    downRateBps: 2000,
    address: '172.16.1.77',
    routes: ['192.168.77.0/24'],
  })
  assert.deepEqual(await grantOf(plugin, 'erin', 'secret#erin'), {
    zone: 'lab',
    pool: 'main',
    idleTimeoutS: 60,
  })
  // A signed number, as Active Directory writes an address.
  assert.equal((await grantOf(plugin, 'carol', 'carol#1'))?.address, '172.16.1.10')
})

test('groups are granted for policies, where the config wants it', { skip }, async t => {
  const plugin = await start(t, { groups: { base: GROUPS, nested: 'walk', granted: true } })
  const { groups = [] } = (await grantOf(plugin, 'alice', 'wonderland')) ?? {}
  assert.ok(groups.includes('staff') && groups.includes('vpn'), groups.join())
  const without = await start(t)
  assert.equal((await grantOf(without, 'alice', 'wonderland'))?.groups, undefined)
})

test('an attribute that says nothing sensible refuses the login', { skip }, async t => {
  const plugin = await start(t, { attributes: { sessionTimeoutS: 'mail' } })
  const [kind, reason] = await reasonOf(plugin, 'alice', 'wonderland')
  assert.deepEqual([kind, /mail is no sessionTimeoutS$/.test(reason)], ['reject', true])
})

test('users are called one name, however they type it; other realms are not ours', { skip }, async t => {
  const plugin = await start(t, { realms: ['lab.test', 'LAB'], unknownUser: 'reject' })
  for (const user of ['alice', 'ALICE', 'Alice@LAB.test', 'lab\\alice', 'alice@lab']) {
    const { verdict } = await plugin.authenticate(user, papProof('wonderland'))
    assert.deepEqual(
      [verdict?.kind, verdict?.kind === 'accept' && verdict.user],
      ['accept', 'alice@lab.test'],
      user,
    )
  }
  for (const user of ['alice@elsewhere.test', 'OTHER\\alice'])
    assert.equal((await plugin.authenticate(user, papProof('wonderland'))).verdict, undefined, user)
  for (const user of ['@lab.test', ' alice', 'al\u200bice', '\uff41lice@lab.test'])
    assert.equal((await plugin.authenticate(user, papProof('wonderland'))).verdict?.kind, 'reject', user)
})

/** By PAP, without a search before. */
const BINDING_FIRST = {
  service: undefined,
  bindAs: `uid={account},${PEOPLE}`,
  methods: ['pap'],
  clearTextAttribute: undefined,
  ntHashAttribute: undefined,
}

test('names with the signs of filters and DNs are only names', { skip }, async t => {
  for (const more of [{}, BINDING_FIRST]) {
    const plugin = await start(t, JSON.parse(JSON.stringify(more)))
    assert.equal((await reasonOf(plugin, 'frank, (x)*', 'frank#1'))[0], 'accept')
    for (const user of [
      '*',
      'alice)(uid=*',
      'ali*',
      `alice,${PEOPLE}`,
      'alice)(|(uid=*',
      '\\61lice',
      '#616c696365',
    ])
      assert.notEqual((await reasonOf(plugin, user, 'wonderland'))[0], 'accept', user)
  }
})

test('an empty password is refused and never sent', { skip }, async t => {
  for (const more of [{}, BINDING_FIRST]) {
    const plugin = await start(t, JSON.parse(JSON.stringify(more)))
    assert.deepEqual(await reasonOf(plugin, 'alice', ''), ['reject', 'empty password'])
  }
})

test('for a method that its users may not use it names those that they may', { skip }, async t => {
  const plugin = await start(t, { methods: ['pap'] })
  const { verdict } = await plugin.authenticate('alice', chapProof('wonderland'))
  assert.deepEqual(verdict, {
    kind: 'renegotiate',
    methods: ['pap'],
    reason: 'its users may use pap, and this was chap-md5',
  })
})

test('the cache spares a search, holds no password, and is over in time', { skip }, async t => {
  const plugin = await start(t, { cacheEntries: 10, cacheForS: 60, grant: { zone: 'a' } })
  assert.doesNotMatch((await reasonOf(plugin, 'erin', 'secret#erin'))[1], /kept/)
  assert.match((await reasonOf(plugin, 'erin', 'secret#erin'))[1], /\(kept\); bound/)
  assert.match((await reasonOf(plugin, 'erin', 'guess'))[1], /\(kept\); wrong password/)
  const { verdict } = await plugin.authenticate('erin', chapProof('secret#erin'))
  assert.equal(verdict?.kind, 'accept', 'the password is read anew')
  await plugin.clock.advance(60_000)
  assert.doesNotMatch((await reasonOf(plugin, 'erin', 'secret#erin'))[1], /kept/)
})

test('who is in may stay as long as the directory knows and allows it', { skip }, async t => {
  const plugin = await start(t, { groups: { base: GROUPS, refused: ['banned'] }, grant: { zone: 'lab' } })
  const ask = (user: string) =>
    plugin.host.hooks.ask('revalidate', plugin.inquiry(), { session: aSession(), user, grant: { user } })
  assert.deepEqual(await ask('alice'), { kind: 'accept', grant: { zone: 'lab' } })
  assert.equal((await ask('dave'))?.kind, 'deny')
  assert.equal((await ask('disabled'))?.kind, 'deny')
  assert.equal(await ask('nobody'), undefined)
})

test('with `serves: plugins` it lets nobody in, and verifies for others', { skip }, async t => {
  const plugin = await start(t, { serves: 'plugins' })
  assert.deepEqual((await plugin.authenticate('alice', papProof('wonderland'))).trail, [])
  assert.ok(USERS !== undefined && authLdap.provides?.includes(USERS))
})
