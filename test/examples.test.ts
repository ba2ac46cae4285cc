/** Every example runs with its one command, and its config is in order. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { aFolder } from '../core/testing/samples.ts'
import { type Kind, skipWithout } from './setup/peers.ts'
import { BURROW } from './support/burrow.ts'
import { CA_PEM } from './support/certificates.ts'
import { ROOT } from './support/imports.ts'
import { run } from './support/processes.ts'

const DEADLINE_MS = 60_000
/** Those that start a real server. */
const SERVERS: Readonly<Record<string, Kind>> = {
  '07-radius': 'radius',
  '08-openldap': 'directories',
  '09-active-directory': 'directories',
}
const EXAMPLES = readdirSync(join(ROOT, 'examples'))
/** The reference is what `npm start` serves: test/runtime/start.test.ts. */
const RUNNABLE = EXAMPLES.filter(name => name !== '01-reference')

/** What each prints, so that one which does nothing is noticed. */
const SAYS: Readonly<Record<string, readonly RegExp[]>> = {
  '02-one-time-password': [
    /^password and code +in, as 172\.16\.1\.\d+$/m,
    /^the same code again +refused: .*before$/m,
  ],
  '03-accounting-sink': [/hb@hb.* 2 .* 120 .* 200 /],
  '04-policy-by-time-and-group': [/17:00 eve@hb +in$/m, /18:00 eve@hb +ended/m],
  '05-two-realms': [
    /^ann@hb +172\.16\.1\.\d+ +reaches 192\.168\.1\.1$/m,
    /^ann@lab +172\.16\.2\.\d+ +reaches 10\.1\.1\.1$/m,
  ],
  '07-radius': [
    /^hb@hb +pap +in, as 172\.16\.1\.51$/m,
    /^ann@hb +mschapv2 +in, as 172\.16\.1\.20\d$/m,
    /^eve@hb +pap +refused: FreeRADIUS rejects: your contract has ended$/m,
    /^radclient disconnects hb@hb: Disconnect-ACK; still in: ann@hb$/m,
    /^Start +hb@hb +172\.16\.1\.51\s+Start +ann@hb/m,
    /^Interim-Update +hb@hb +172\.16\.1\.51 +120 octets *$/m,
    /^Stop +hb@hb +172\.16\.1\.51 +120 octets +Admin-Reset$/m,
    /^Stop +ann@hb .* Admin-Reboot\n(.*\n)*Accounting-Off/m,
  ],
  '08-openldap': [
    /^LAB\\ann +pap +in, as 172\.16\.1\.20\d$/m,
    /^ben@lab\.test +chap +in, as 172\.16\.1\.51$/m,
    /^ann +mschapv2 +in, as /m,
    /^eve +pap +refused: in none of the required groups vpn$/m,
    /^ben +pap +refused: wrong password/m,
    /^ben +pap +refused: temporary failure: /m,
  ],
  '09-active-directory': [
    /^CORP\\ann +in, as 172\.16\.1\.51$/m,
    /^ben +refused: in none of the required groups VPN Users$/m,
    /^eve +refused: in the refused group Contractors$/m,
    /^old +refused: the account is disabled/m,
    /^ann +refused: held back for \d+ s/m,
  ],
  '06-shell-script-hook': [/^203\.0\.113\.66 refused/m, /^guard\.sh saw sessionDown hb@hb$/m],
}

for (const name of RUNNABLE) {
  const kind = SERVERS[name]
  const skip = kind !== undefined && skipWithout(kind)
  test(`example ${name} runs with its one command`, { skip }, async () => {
    const script = join(ROOT, 'tools/example.mjs')
    const { code, stdout, stderr } = await run([process.execPath, script, name], { deadlineMs: DEADLINE_MS })
    assert.equal(code, 0, `${stdout}\n${stderr}`)
    const expected = SAYS[name] ?? assert.fail('what it prints is not expected')
    for (const pattern of expected) assert.match(stdout, pattern)
  })
}

for (const name of EXAMPLES) {
  test(`the config of example ${name} is in order, and its page names the command`, async t => {
    const folder = join(ROOT, 'examples', name)
    const caFile = join(aFolder(t), 'ca.pem')
    writeFileSync(caFile, CA_PEM)
    const env = {
      TOTALS_FILE: '/nowhere/totals.json',
      SESSIONS_FILE: '/nowhere/sessions',
      RADIUS_ADDRESS: '127.0.0.2',
      SPOOL_FOLDER: join(aFolder(t), 'spool'),
      LDAP_URL: 'ldaps://ldap.example.net',
      AD_URL: 'ldaps://dc1.corp.example',
      AD_CA_FILE: caFile,
    }
    const check = [...BURROW, 'check', '-c', join(folder, 'burrow.yaml')]
    const { code, stderr } = await run(check, { env, deadlineMs: DEADLINE_MS })
    assert.equal(code, 0, stderr)
    const page = readFileSync(join(folder, 'README.md'), 'utf8')
    const command = existsSync(join(folder, 'run.mjs'))
      ? `npm run example -- ${name.slice(0, 2)}`
      : 'npm start'
    assert.ok(page.includes(command))
  })
}

test('the list of examples names each', async () => {
  const { stdout } = await run([process.execPath, join(ROOT, 'tools/example.mjs')])
  for (const name of RUNNABLE)
    assert.match(stdout, new RegExp(`^npm run example -- ${name.slice(0, 2)} `, 'm'))
})
