/** `burrow serve` with auth-ldap, and clients that dial in: against OpenLDAP by every method, against Samba with PAP. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { skipWithout } from '../setup/peers.ts'
import { BURROW } from '../support/burrow.ts'
import { configFolder } from '../support/config-folder.ts'
import { makeNetns, type Netns } from '../support/netns.ts'
import { run, start } from '../support/processes.ts'
import { passwordOf, startSambaDc } from '../support/samba-dc.ts'
import { GROUPS, PEOPLE, SERVICE, startSlapd } from '../support/slapd.ts'
import { until } from '../support/until.ts'

const skip = skipWithout('directories')
const START_MS = 20_000

async function serve(t: TestContext, netns: Netns, auth: string, options: object) {
  const folder = configFolder(t, {
    'burrow.yaml': `listen: [127.0.0.1]
gatewayAddress: 172.16.1.1
controlSocket: control.sock
log: { format: json }
ppp: { auth: [${auth}] }
plugins:
  - auth-ldap: ${JSON.stringify(options)}
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }
  - policy-zones: { zones: { trust: [192.168.1.0/24] } }
`,
  })
  const server = start([...BURROW, 'serve', '-c', folder.config], { netns: netns.name })
  await server.says(/Burrow listens/, START_MS)
  const words = (command: string, user: string) => [...BURROW, command, '--user', user, '--password-env', 'P']
  return {
    server,
    /** The address that a client gets, or its code and the reason that the server logs. */
    async dial(user: string, password: string, method: string) {
      const env = { P: password }
      const before = server.stderr().length
      const [program, ...rest] = words('connect', user)
      const command = [program ?? '', ...rest, '127.0.0.1', '--auth', method, '--json', '--once']
      const client = start(command, { netns: netns.name, env })
      const up = await until(
        'the end of the dialling',
        () => {
          const [, address] = /"event":"up".*?"localAddress":"([\d.]+)"/.exec(client.stdout()) ?? []
          return address ?? (client.running() ? undefined : 'refused')
        },
        START_MS,
      )
      if (up !== 'refused') await client.end()
      const lines = server.stderr().slice(before).split('\n')
      const refusal = lines.find(line => line.includes('user refused'))
      const reason: string | undefined = refusal === undefined ? undefined : JSON.parse(refusal).reason
      return up === 'refused' ? { up, code: (await client.ended).code, reason } : { up }
    },
    tryOut: (user: string, password: string, method: string) =>
      run([...words('try', user), '-c', folder.config, '--method', method], {
        netns: netns.name,
        env: { P: password },
      }),
    async end() {
      const { code, stdout, stderr } = await server.end()
      assert.equal(code, 0, stderr)
      return stdout + stderr
    },
  }
}

test('users of OpenLDAP dial in by PAP, CHAP and MS-CHAPv2, and the trail of a try shows each step', {
  skip,
}, async t => {
  const netns = makeNetns(t)
  const slapd = await startSlapd(t, { netns: netns.name })
  const { dial, tryOut, end } = await serve(t, netns, 'mschapv2, chap-md5, pap', {
    urls: [slapd.url],
    startTls: true,
    caFile: join(slapd.folder, 'ca.pem'),
    service: SERVICE,
    base: PEOPLE,
    realms: ['lab.test', 'LAB'],
    clearTextAttribute: 'userPassword',
    ntHashAttribute: 'sambaNTPassword',
    groups: { base: GROUPS, nested: 'walk', required: ['vpn'] },
    attributes: { address: 'testFramedIPAddress' },
  })
  for (const method of ['pap', 'chap', 'mschapv2']) {
    assert.deepEqual(await dial('LAB\\carol', 'carol#1', method), { up: '172.16.1.10' }, method)
    const wrong = await dial('carol', 'guess#9', method)
    assert.deepEqual([wrong.up, wrong.code], ['refused', 4])
    assert.match(wrong.reason ?? '', /wrong password/)
  }
  assert.deepEqual(await dial('alice@lab.test', 'wonderland', 'mschapv2'), { up: '172.16.1.77' })
  assert.match((await dial('dave', 'dave#1', 'chap')).reason ?? '', /in none of the required groups vpn$/)
  // The client's kernel is the server's here: for some seconds it may hold the address that alice had for its own.
  let said = ''
  const right = await until(
    'a try that is let in',
    async () => {
      const tried = await tryOut('alice@lab.test', 'wonderland', 'pap')
      said = tried.stdout + tried.stderr
      return tried.code === 0 && tried
    },
    20_000,
    () => `\n${said}`,
  )
  const step = `auth-ldap +accept +[\\d.]+ +${slapd.url}; uid=alice,${PEOPLE}; bound at ${slapd.url}; in everybody, staff, vpn; required group vpn; by attribute address`
  assert.match(right.stdout, new RegExp(step))
  assert.match(right.stdout, /would be let in, as 172\.16\.1\.77/)
  await slapd.kill()
  const gone = await dial('carol', 'carol#1', 'pap')
  assert.equal(gone.up, 'refused')
  assert.match(gone.reason ?? '', new RegExp(`temporary failure: .*${slapd.url}: connect ECONNREFUSED`))
  await slapd.start()
  assert.deepEqual(await dial('carol', 'carol#1', 'pap'), { up: '172.16.1.10' })
  assert.doesNotMatch(await end(), /wonderland|carol#1|guess#9|dave#1|service#77/)
})

test('users of Active Directory dial in by PAP; what it cannot verify is a boot error', { skip }, async t => {
  const dc = await startSambaDc(t)
  const options = {
    directory: 'active-directory',
    urls: [dc.ldaps],
    caFile: join(dc.folder, 'ca.pem'),
    service: { dn: 'burrow@corp.example', password: passwordOf('burrow') },
    base: 'dc=corp,dc=example',
    realms: ['corp.example', 'CORP'],
    groups: { required: ['VPN'] },
    attributes: { address: 'msRADIUSFramedIPAddress' },
  }
  const { dial, tryOut, end } = await serve(t, dc.netns, 'pap', options)
  for (const user of ['alice', 'CORP\\alice', 'alice@corp.example'])
    assert.deepEqual(await dial(user, passwordOf('alice'), 'pap'), { up: '172.16.1.10' }, user)
  assert.match(
    (await dial('bob', passwordOf('bob'), 'pap')).reason ?? '',
    /in none of the required groups VPN$/,
  )
  for (const [user, why] of Object.entries({ disabled: /disabled/, expired: /expired/, locked: /locked/ })) {
    const { up, reason } = await dial(user, passwordOf(user), 'pap')
    assert.equal(up, 'refused')
    assert.match(reason ?? '', why)
  }
  const { stdout } = await tryOut('alice', passwordOf('alice'), 'pap')
  assert.match(
    stdout,
    /CN=alice,CN=Users,DC=corp,DC=example; bound at ldaps:\/\/127\.0\.0\.1; in Staff, VPN; required group VPN/,
  )
  await end()
  const chap = configFolder(t, {
    'burrow.yaml': `listen: [127.0.0.1]\nplugins:\n  - auth-ldap: ${JSON.stringify(options)}\n`,
  })
  const { code, stderr } = await run([...BURROW, 'check', '-c', chap.config])
  assert.equal(code, 3)
  assert.match(stderr, /^burrow: LDAP_METHODS: .*burrow\.yaml:\d+/m)
})
