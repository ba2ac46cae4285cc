// Starts a slapd with the tree beside it, and dials: a user by each method, one outside of the group, a wrong password, no directory.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { aFolder, inScope, startMemoryLns } from 'burrow/testing'

const here = name => fileURLToPath(new URL(name, import.meta.url))
process.env.PATH += ':/usr/sbin'

/** Over a socket in its folder, so that it takes no port. */
async function startSlapd(t) {
  const folder = aFolder(t)
  const config = join(folder, 'slapd.conf')
  const socket = join(folder, 'ldapi')
  mkdirSync(join(folder, 'db'))
  writeFileSync(config, readFileSync(here('slapd.conf'), 'utf8').replaceAll('FOLDER', folder))
  try {
    execFileSync('slapadd', ['-q', '-f', config, '-l', here('tree.ldif')])
  } catch (error) {
    if (error.code === 'ENOENT') throw new Error('there is no slapd: apt-get install slapd')
    throw error
  }
  const url = `ldapi://${encodeURIComponent(socket)}`
  const slapd = spawn('slapd', ['-d', '0', '-f', config, '-h', url], { stdio: 'ignore' })
  const ended = new Promise(resolve => slapd.on('exit', resolve))
  const stop = () => slapd.kill() && ended
  t.after(stop)
  for (let tries = 0; !existsSync(socket) && tries < 200; tries++) await sleep(50)
  return { url, stop }
}

await inScope(async t => {
  const { url, stop } = await startSlapd(t)
  process.env.LDAP_URL = url
  const lns = await startMemoryLns(t, { config: here('burrow.yaml') })
  const dial = async (user, password, method) => {
    const call = await lns.dial({ user, password, method })
    const why = lns.log.findLast(({ message }) => message.startsWith('user refused'))
    const what =
      call.kind === 'up' ? `in, as ${call.address}` : `refused: ${why?.fields.reason.split('; ').at(-1)}`
    console.log(user.padEnd(14), method.padEnd(9), what.replaceAll(url, 'slapd'))
    return call.kind === 'up' ? call.address : 'refused'
  }
  assert.match(await dial('LAB\\ann', 'ann@123', 'pap'), /^172\.16\.1\.20\d$/)
  assert.equal(await dial('ben@lab.test', 'ben@123', 'chap'), '172.16.1.51')
  assert.match(await dial('ann', 'ann@123', 'mschapv2'), /^172\.16\.1\.20\d$/)
  assert.equal(await dial('eve', 'eve@123', 'pap'), 'refused')
  assert.equal(await dial('ben', 'guess', 'pap'), 'refused')
  await stop()
  assert.equal(await dial('ben', 'ben@123', 'pap'), 'refused')
})
