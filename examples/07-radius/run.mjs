// Starts a FreeRADIUS with the files beside it, dials, sends, ends a session with radclient, and shows the accounting of the server.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { aFolder, inScope, startMemoryLns } from 'burrow/testing'

const here = name => fileURLToPath(new URL(name, import.meta.url))
process.env.PATH += ':/usr/sbin'

/** What a program says, and when it has ended. */
function run(words, input = '') {
  const child = spawn(words[0], words.slice(1))
  const told = { child, output: '', ended: false }
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', text => {
      told.output += text
    })
  child.on('error', error => {
    told.ended = true
    told.error = error
  })
  child.on('exit', () => {
    told.ended = true
  })
  child.stdin.end(input)
  return told
}

/** On an address of loopback that is its own, so that the ports can be those of RADIUS. */
async function startFreeradius(t) {
  const folder = aFolder(t)
  const address = `127.${randomInt(1, 255)}.${randomInt(0, 255)}.${randomInt(1, 255)}`
  const config = readFileSync(here('radiusd.conf'), 'utf8')
  writeFileSync(
    join(folder, 'radiusd.conf'),
    config.replaceAll('FOLDER', folder).replaceAll('ADDRESS', address),
  )
  writeFileSync(join(folder, 'dictionary'), '$INCLUDE /usr/share/freeradius/dictionary\n')
  copyFileSync(here('users'), join(folder, 'users'))
  const server = run(['freeradius', '-f', '-l', 'stdout', '-d', folder])
  t.after(() => server.child.kill())
  while (!server.output.includes('Ready to process requests')) {
    if (server.error?.code === 'ENOENT')
      throw new Error('there is no FreeRADIUS: apt-get install freeradius freeradius-utils')
    if (server.ended) throw new Error(`FreeRADIUS ended: ${server.output}`)
    await sleep(20)
  }
  return { address, detail: () => readFileSync(join(folder, 'detail'), 'utf8') }
}

/** The records of the server, each as what it says by name. */
function records(text) {
  const blocks = text.split('\n\n').slice(0, -1)
  return blocks.map(block =>
    Object.fromEntries(
      [...block.matchAll(/^\t([\w-]+) = "?(.*?)"?$/gm)].map(([, name, value]) => [name, value]),
    ),
  )
}

await inScope(async t => {
  const { address, detail } = await startFreeradius(t)
  process.env.RADIUS_ADDRESS = address
  process.env.SPOOL_FOLDER = join(aFolder(t), 'spool')
  const lns = await startMemoryLns(t, { config: here('burrow.yaml') })

  const dial = async (user, password, method) => {
    const call = await lns.dial({ user, password, method })
    const why = lns.log.findLast(({ message }) => message.startsWith('user refused'))
    const what = call.kind === 'up' ? `in, as ${call.address}` : `refused: ${why?.fields.reason}`
    console.log(user.padEnd(8), method.padEnd(9), what.replaceAll(address, 'FreeRADIUS'))
    return call
  }
  const hb = await dial('hb@hb', 'admin@123', 'pap')
  const ann = await dial('ann@hb', 'ann@123', 'mschapv2')
  const guess = await dial('ann@hb', 'guess', 'chap')
  const eve = await dial('eve@hb', 'eve@123', 'pap')
  assert.deepEqual([hb.address, guess.kind, eve.kind], ['172.16.1.51', 'refused', 'refused'])
  assert.match(ann.address, /^172\.16\.1\.20\d$/)

  for (let sent = 0; sent < 3; sent++)
    assert.ok(await lns.reaches(hb, '192.168.1.1', { protocol: 'tcp', port: 80 }))
  // The time of the server in memory, in steps for a RADIUS server that answers in real time.
  for (let passedS = 0; passedS < 11 * 60; passedS++) {
    await lns.clock.advance(1000)
    await sleep(1)
  }

  const request = [
    'User-Name = "hb@hb"',
    `Event-Timestamp = ${Math.floor(lns.clock.wallTimeMs() / 1000)}`,
    'Message-Authenticator = 0x00',
  ]
  const words = ['radclient', '-x', `${address}:3799`, 'disconnect', 'of-the-billing']
  const radclient = run(words, request.join('\n'))
  while (!radclient.ended) {
    await lns.clock.advance(5)
    await sleep(5)
  }
  const [, answer] = /^Received (\S+)/m.exec(radclient.output) ?? []
  console.log(
    `\nradclient disconnects hb@hb: ${answer}; still in: ${lns.sessions().map(({ user }) => user)}\n`,
  )
  assert.equal(answer, 'Disconnect-ACK', radclient.output)
  await lns.stop()

  const told = records(detail())
  for (const record of told)
    console.log(
      record['Acct-Status-Type'].padEnd(15),
      (record['User-Name'] ?? '').padEnd(7),
      (record['Framed-IP-Address'] ?? '').padEnd(13),
      (record['Acct-Output-Octets'] ? `${record['Acct-Output-Octets']} octets` : '').padEnd(11),
      record['Acct-Terminate-Cause'] ?? '',
    )
  const ofHb = told.filter(record => record['User-Name'] === 'hb@hb')
  assert.deepEqual(
    ofHb.map(record => record['Acct-Status-Type']),
    ['Start', 'Interim-Update', 'Stop'],
  )
  assert.equal(ofHb.at(-1)['Acct-Terminate-Cause'], 'Admin-Reset')
})
