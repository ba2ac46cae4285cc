// Makes a domain with Samba, and dials: a user under each of its names, who may not, a guesser.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { aFolder, inScope, startMemoryLns } from 'burrow/testing'
import { Client } from 'ldapts'

const BASE = 'dc=corp,dc=example'
const ADMIN = { dn: `cn=Administrator,cn=Users,${BASE}`, password: 'Of.the#admin1' }
const PEOPLE = {
  burrow: { password: 'Of.the#service1' },
  ann: { password: 'Ann@12345', msRADIUSFramedIPAddress: '-1408237261' },
  ben: { password: 'Ben@12345' },
  eve: { password: 'Eve@12345' },
  old: { password: 'Old@12345', userAccountControl: '514' },
}
const GROUPS = { Staff: ['ann', 'old'], 'VPN Users': ['Staff', 'eve'], Contractors: ['eve'] }
process.env.PATH += ':/usr/sbin'

function must(command, words) {
  const { status, error, stderr } = spawnSync(command, words, { encoding: 'utf8' })
  if (error?.code === 'ENOENT')
    throw new Error(
      `there is no ${command}: apt-get install samba samba-ad-provision samba-dsdb-modules samba-vfs-modules`,
    )
  if (status !== 0) throw new Error(`${command} failed: ${stderr.trim().split('\n').at(-1)}`)
}

/** The ports of a controller cannot be chosen, so all of this runs in a network namespace without a name, which ends with it. */
if (process.env.OWN_NETWORK === undefined) {
  const env = { ...process.env, OWN_NETWORK: 'yes' }
  const words = ['--net', process.execPath, fileURLToPath(import.meta.url)]
  const { status } = spawnSync('unshare', words, { stdio: 'inherit', env })
  if (status === 1 && process.geteuid() !== 0) console.error('it needs root, for a network namespace')
  process.exit(status ?? 1)
}

async function startDomain(t) {
  const folder = aFolder(t)
  must('ip', ['link', 'set', 'lo', 'up'])
  const settings = {
    interfaces: 'lo',
    'bind interfaces only': 'yes',
    'server services': 'ldap',
    'log file': join(folder, 'log'),
    'pid directory': folder,
    'ncalrpc dir': join(folder, 'ncalrpc'),
  }
  must('samba-tool', [
    ...['domain', 'provision', '--targetdir', folder, '--realm', 'CORP.EXAMPLE', '--domain', 'CORP'],
    ...['--server-role', 'dc', '--host-name', 'dc1', '--host-ip', '127.0.0.1', '--adminpass', ADMIN.password],
    ...Object.entries(settings).map(([name, value]) => `--option=${name}=${value}`),
  ])
  const config = join(folder, 'etc/smb.conf')
  const samba = spawn('samba', ['--foreground', '--no-process-group', '--model=single', '-s', config], {
    stdio: 'ignore',
  })
  const ended = new Promise(resolve => samba.on('exit', resolve))
  t.after(() => samba.kill('SIGKILL') && ended)
  process.env.AD_URL = 'ldaps://127.0.0.1'
  process.env.AD_CA_FILE = join(folder, 'private/tls/ca.pem')
  for (let tries = 0; ; tries++) {
    const client = new Client({ url: process.env.AD_URL, tlsOptions: { rejectUnauthorized: false } })
    try {
      await client.bind(ADMIN.dn, ADMIN.password)
      await fill(client)
      return
    } catch (error) {
      if (tries === 100) throw error
      await sleep(100)
    } finally {
      await client.unbind()
    }
  }
}

async function fill(client) {
  const dn = name => `cn=${name},cn=Users,${BASE}`
  for (const [name, { password, ...more }] of Object.entries(PEOPLE))
    await client.add(dn(name), {
      objectClass: 'user',
      sAMAccountName: name,
      userPrincipalName: `${name}@corp.example`,
      userAccountControl: '512',
      unicodePwd: Buffer.from(`"${password}"`, 'utf16le'),
      ...more,
    })
  for (const [name, members] of Object.entries(GROUPS))
    await client.add(dn(name), { objectClass: 'group', sAMAccountName: name, member: members.map(dn) })
}

await inScope(async t => {
  await startDomain(t)
  const lns = await startMemoryLns(t, { config: fileURLToPath(new URL('burrow.yaml', import.meta.url)) })
  const dial = async (user, password) => {
    const call = await lns.dial({ user, password, method: 'pap' })
    const why = lns.log.findLast(({ message }) => message.startsWith('user refused'))
    const what =
      call.kind === 'up' ? `in, as ${call.address}` : `refused: ${why?.fields.reason.split('; ').at(-1)}`
    console.log(user.padEnd(18), what)
    if (call.kind === 'up') await call.hangUp()
    return call.kind
  }
  for (const user of ['ann', 'CORP\\ann', 'Ann@corp.example'])
    assert.equal(await dial(user, 'Ann@12345'), 'up')
  assert.equal(await dial('ben', 'Ben@12345'), 'refused')
  assert.equal(await dial('eve', 'Eve@12345'), 'refused')
  assert.equal(await dial('old', 'Old@12345'), 'refused')
  // The log takes a few refusals at a time.
  await lns.clock.advance(60_000)
  for (let guess = 0; guess < 4; guess++) assert.equal(await dial('ann', `guess ${guess}`), 'refused')
})
