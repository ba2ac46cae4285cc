/** radclient against `burrow serve` with radius-client, a call of `burrow connect`, and a host behind the server. */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { skipWithout } from '../setup/peers.ts'
import { BURROW } from '../support/burrow.ts'
import { radclient } from '../support/freeradius.ts'
import { joinByVeth, makeNetns } from '../support/netns.ts'
import { run, start } from '../support/processes.ts'
import { until } from '../support/until.ts'

const START_MS = 30_000
const SECRET = 'secret-of-the-billing'
const PORT = 3799
const HOST_BEHIND = '192.168.1.1'

function configFile(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'burrow-coa-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const write = (name: string, text: string) => {
    const path = join(folder, name)
    writeFileSync(path, text)
    chmodSync(path, 0o600)
    return path
  }
  const records = join(folder, 'records.jsonl')
  const config = write(
    'burrow.yaml',
    `listen: [192.0.2.1]
gatewayAddress: 172.16.1.1
controlSocket: ${join(folder, 'control.sock')}
manageKernel: true
log: { format: json }
plugins:
  - auth-local: { users: [{ user: hb@hb, password: admin@123 }] }
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }
  - policy-zones:
      zones: { trust: [192.168.1.0/24] }
      rules:
        - { from: untrust, to: local, action: permit }
        - { filter: blocked, from: dmz, to: trust, action: deny }
        - { from: dmz, to: trust, action: permit }
        - { from: trust, to: dmz, action: permit }
  - accounting-file: { file: ${records} }
  - radius-client: { nasIdentifier: lns1, servers: [{ address: 127.0.0.1, secret: unused, statusServer: false }] }
  - radius-coa: { address: 127.0.0.1, sources: [{ name: billing, address: 127.0.0.1, secret: ${SECRET} }] }
`,
  )
  return {
    config,
    passwordFile: write('password', 'admin@123\n'),
    controlSocket: join(folder, 'control.sock'),
    records: (): readonly { readonly event: string; readonly cause?: string }[] =>
      readFileSync(records, 'utf8')
        .trim()
        .split('\n')
        .map(line => JSON.parse(line)),
  }
}

test('a live call is changed without losing a packet, blocked, let through again, and ended', {
  skip: skipWithout('peers') || skipWithout('radius'),
}, async t => {
  const [lns, client, behind] = [makeNetns(t), makeNetns(t), makeNetns(t)]
  joinByVeth(
    { netns: lns, device: 'outside', address: '192.0.2.1/24' },
    { netns: client, device: 'outside', address: '192.0.2.100/24' },
  )
  joinByVeth(
    { netns: lns, device: 'inside', address: '192.168.1.254/24' },
    { netns: behind, device: 'inside', address: `${HOST_BEHIND}/24` },
  )
  behind.ip('route add default via 192.168.1.254')
  const { config, passwordFile, controlSocket, records } = configFile(t)
  const server = start([...BURROW, 'serve', '-c', config], { netns: lns.name })
  await server.says(/Burrow listens/, START_MS)
  const words = ['connect', '192.0.2.1', '--user', 'hb@hb', '--password-file', passwordFile, '--json']
  const call = start([...BURROW, ...words, '--route', '192.168.1.0/24'], { netns: client.name })
  const [up] = await call.says(/{"event":"up".*}/, START_MS)
  const address: string = JSON.parse(up).localAddress

  const send = async (kind: 'coa' | 'disconnect', ...attributes: readonly string[]) => {
    const timestamp = `Event-Timestamp = ${Math.floor(Date.now() / 1000)}`
    const about = [`Framed-IP-Address = ${address}`, 'NAS-Identifier = "lns1"', timestamp]
    const request = { port: PORT, secret: SECRET, kind, attributes: [...about, ...attributes], timeoutS: 5 }
    const { code, attributes: told, output } = await radclient({ ...request, netns: lns.name })
    assert.ok(code !== undefined, output)
    return [code, ...(told['Error-Cause'] ?? [])]
  }
  const ping = (count: number, ...more: readonly string[]) =>
    start(['ping', '-n', '-c', `${count}`, '-i', '0.1', '-W', '2', ...more, HOST_BEHIND], {
      netns: client.name,
    })
  const lossOf = async (pinging: ReturnType<typeof ping>) =>
    Number(/([\d.]+)% packet loss/.exec((await pinging.ended).stdout)?.[1])
  const sessions = async () =>
    JSON.parse((await run([...BURROW, 'sessions', '--json', '--socket', controlSocket])).stdout)

  const pinging = ping(30)
  await pinging.says(/icmp_seq=5/, START_MS)
  assert.deepEqual(await send('coa', 'Session-Timeout = 3600', 'Idle-Timeout = 600', 'Class = 0x0102'), [
    'CoA-ACK',
  ])
  assert.deepEqual(await send('coa', 'Mikrotik-Rate-Limit = "10M/10M"', 'Acct-Interim-Interval = 600'), [
    'CoA-ACK',
  ])
  assert.equal(await lossOf(pinging), 0)

  assert.deepEqual(await send('coa', 'Mikrotik-Rate-Limit = "8k/8k"'), ['CoA-ACK'])
  const limited = await lossOf(ping(20, '-s', '972'))
  assert.ok(limited >= 50 && limited <= 90, `${limited} % of 10,000 octets a second through 1000 a second`)
  const [row] = await sessions()
  assert.ok(row.drops['over-rate'] > 0, JSON.stringify(row))
  assert.deepEqual(await send('coa', 'Mikrotik-Rate-Limit = "0/0"'), ['CoA-ACK'])
  assert.equal(await lossOf(ping(10, '-s', '972')), 0)

  assert.deepEqual(await send('coa', 'Filter-Id = "unknown"'), ['CoA-NAK', 'Administratively-Prohibited'])
  assert.deepEqual(await send('coa', 'Filter-Id = "blocked"'), ['CoA-ACK'])
  assert.equal(await lossOf(ping(3)), 100)
  const [same] = await sessions()
  assert.deepEqual([same.id, same.address], [row.id, address], 'the same call')
  assert.deepEqual(await send('disconnect'), ['Disconnect-ACK'])
  const { code, stdout } = await call.ended
  assert.equal(code, 1, stdout)
  assert.deepEqual(await sessions(), [])
  assert.deepEqual(
    records().map(({ event, cause }) => [event, cause]),
    [
      ['start', undefined],
      ['stop', 'admin-reset'],
    ],
  )
  assert.deepEqual(await send('disconnect'), ['Disconnect-NAK', 'Session-Context-Not-Found'])
  await until('the server to have stopped', async () => (await server.end()).code === 0)
})
