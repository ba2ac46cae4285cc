/** auth-ldap against Samba as an Active Directory domain controller. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { type Harness, startPlugin } from '../../core/testing/plugin-harness.ts'
import { papProof } from '../../core/testing/proofs.ts'
import { aSession } from '../../core/testing/samples.ts'
import authLdap from '../../plugins/auth-ldap/index.ts'
import { skipWithout } from '../setup/peers.ts'
import {
  DOMAIN,
  LOCKED_AFTER,
  passwordOf,
  type SambaDc,
  SERVICE,
  startSambaDc,
  USERS,
} from '../support/samba-dc.ts'

const skip = skipWithout('directories')
let dc: SambaDc
if (skip === false) dc = await startSambaDc({ after })

const optionsOf = (more: object = {}) => ({
  directory: 'active-directory',
  urls: [dc.ldaps],
  caFile: join(dc.folder, 'ca.pem'),
  service: SERVICE,
  base: DOMAIN,
  realms: ['corp.example', 'CORP'],
  methods: ['pap'],
  ...more,
})

/** A test within the namespace of the controller. */
const within = (name: string, act: (t: TestContext) => Promise<void>) =>
  test(name, { skip }, t => dc.netns.inside(() => act(t)))

const start = (t: TestContext, more: object = {}) =>
  startPlugin(t, authLdap, { options: JSON.parse(JSON.stringify(optionsOf(more))) })

async function login(plugin: Harness, user: string, password: string): Promise<readonly [string, string]> {
  const { verdict, trail } = await plugin.authenticate(user, papProof(password))
  return [verdict?.kind ?? 'pass', trail[0]?.reason ?? '']
}

for (const [user, why] of [
  ['disabled', /the account is disabled \(bind as/],
  ['expired', /the account has expired \(bind as/],
  ['locked', /the account is locked \(bind as/],
  ['mustchange', /the password must be changed first \(bind as/],
  ['nohours', /not within the logon hours \(bind as/],
] as const)
  within(`${user}: refused with the right password, and the trail says why`, async t => {
    const plugin = await start(t)
    const [kind, reason] = await login(plugin, user, passwordOf(user))
    assert.equal(kind, 'reject')
    assert.match(reason, why)
  })

within('groups in groups count, by the rule of the directory itself', async t => {
  const plugin = await start(t, { groups: { required: ['VPN'], refused: ['Banned'] } })
  const [kind, reason] = await login(plugin, 'alice', passwordOf('alice'))
  assert.equal(kind, 'accept')
  assert.match(reason, /; in Staff, VPN; required group VPN$/)
  assert.match(
    (await login(plugin, 'bob', passwordOf('bob')))[1],
    /; in no group; in none of the required groups VPN$/,
  )
  assert.match((await login(plugin, 'dave', passwordOf('dave')))[1], /in the refused group Banned$/)
  const direct = await start(t, { groups: { nested: 'no', required: ['VPN'] } })
  assert.equal((await login(direct, 'alice', passwordOf('alice')))[0], 'reject')
  const walking = await start(t, { groups: { nested: 'walk', required: [`CN=VPN,${USERS}`] } })
  assert.equal((await login(walking, 'alice', passwordOf('alice')))[0], 'accept')
})

within('users are called one name, as UPN, DOMAIN\\user and plain', async t => {
  const plugin = await start(t)
  for (const user of ['alice', 'Alice', 'ALICE@corp.example', 'CORP\\alice', 'corp.example\\Alice']) {
    const { verdict } = await plugin.authenticate(user, papProof(passwordOf('alice')))
    assert.deepEqual(
      [verdict?.kind, verdict?.kind === 'accept' && verdict.user],
      ['accept', 'alice@corp.example'],
      user,
    )
  }
  assert.equal((await login(plugin, 'alice@other.example', passwordOf('alice')))[0], 'pass')
  assert.equal((await login(plugin, 'nobody', 'x'))[0], 'pass')
})

for (const bindAs of ['{account}@corp.example', 'CORP\\{account}', `CN={account},${USERS}`])
  within(`users bind as ${bindAs}, without a service account`, async t => {
    const plugin = await start(t, { service: undefined, bindAs, groups: { required: ['VPN'] } })
    const [kind, reason] = await login(plugin, 'CORP\\alice', passwordOf('alice'))
    assert.equal(kind, 'accept', reason)
    assert.match(reason, /^bound as .*; CN=alice,.*; in Staff, VPN; required group VPN$/)
    assert.equal((await login(plugin, 'alice', 'guess'))[0], 'reject')
    assert.equal((await login(plugin, 'disabled', passwordOf('disabled')))[0], 'reject')
  })

within('an address of the directory is granted', async t => {
  const plugin = await start(t, { attributes: { address: 'msRADIUSFramedIPAddress', pool: 'department' } })
  const { verdict } = await plugin.authenticate('alice', papProof(passwordOf('alice')))
  assert.deepEqual(verdict?.kind === 'accept' && verdict.grant, {
    address: '172.16.1.10',
    pool: 'staff-pool',
  })
})

within('guesses do not lock the account for the rest of the domain', async t => {
  const plugin = await start(t)
  for (let guess = 0; guess < 3 * LOCKED_AFTER; guess++) await login(plugin, 'carol', `guess ${guess}`)
  assert.match((await login(plugin, 'carol', passwordOf('carol')))[1], /held back/)
  assert.ok(await dc.lets('carol@corp.example', passwordOf('carol')))
})

within('TLS: StartTLS works, without any the controller refuses, and the trail says so', async t => {
  const startTls = await start(t, { urls: [dc.ldap], startTls: true })
  assert.equal((await login(startTls, 'alice', passwordOf('alice')))[0], 'accept')
  const plain = await start(t, { urls: [dc.ldap] })
  const [kind, reason] = await login(plain, 'alice', passwordOf('alice'))
  assert.equal(kind, 'unavailable')
  assert.match(reason, /^temporary failure: ldap:\/\/127\.0\.0\.1: a bind: .*Transport encryption required/)
})

within('the DNS of the domain names its controllers', async t => {
  const srv = { domain: 'corp.example', dnsServers: ['127.0.0.1'] }
  const plugin = await start(t, { urls: undefined, srv, serverName: 'hooks.example' })
  const [kind, reason] = await login(plugin, 'alice', passwordOf('alice'))
  assert.equal(kind, 'accept', reason)
  assert.match(reason, /^ldaps:\/\/dc1\.corp\.example:636; /)
  const lost = await start(t, {
    urls: undefined,
    srv: { ...srv, domain: 'other.example' },
    serverName: 'hooks.example',
  })
  assert.match(
    (await login(lost, 'alice', passwordOf('alice')))[1],
    /no directory server found by _ldap\._tcp\.dc\._msdcs\.other\.example/,
  )
})

within('who is in may stay as long as its account is good', async t => {
  const plugin = await start(t)
  const ask = async (user: string) => {
    const question = { session: aSession(), user: `${user}@corp.example`, grant: { user } }
    return plugin.host.hooks.ask('revalidate', plugin.inquiry(), question)
  }
  assert.equal((await ask('alice'))?.kind, 'accept')
  assert.equal(await ask('nobody'), undefined)
  for (const [user, why] of Object.entries({
    disabled: 'userAccountControl',
    expired: 'accountExpires',
    locked: 'msDS-User-Account-Control-Computed',
    mustchange: 'pwdLastSet',
    nohours: 'logonHours',
  })) {
    const verdict = await ask(user)
    assert.equal(verdict?.kind, 'deny', user)
    assert.match(verdict.reason, new RegExp(`\\(${why}\\)$`))
  }
})
