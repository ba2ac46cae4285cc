/** `burrow connect` inside of IPsec, with a charon that follows a script: what it is told, and that nothing is left in it. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { IpsecDialOptions, Path } from '../../core/index.ts'
import { memoryLog } from '../../core/testing/log.ts'
import { VirtualClock } from '../../core/testing/virtual-clock.ts'
import { protectCalls } from '../../plugins/ipsec-strongswan/client.ts'
import { sectionOf } from '../../plugins/ipsec-strongswan/vici-codec.ts'
import { writeClientFiles } from '../support/certificates.ts'
import { aSa, FakeCharon } from '../support/fake-charon.ts'
import { passing } from '../support/ipsec-scene.ts'
import { until } from '../support/until.ts'

const PATH: Path = {
  local: { address: '1.1.1.1', port: 40_000 },
  remote: { address: '2.2.2.2', port: 1701 },
}
const NAME = 'burrow-connect-40000'
const SA = aSa({
  local: '1.1.1.1',
  remote: '2.2.2.2',
  'local-ts': ['1.1.1.1/32[udp/40000]'],
  'remote-ts': ['2.2.2.2/32[udp/l2f]'],
})
const PLAIN: IpsecDialOptions = { psk: 'deep secret', ike: '1', mode: 'transport', setupTimeoutMs: 20_000 }

async function scene(
  t: { after(end: () => void | Promise<void>): void },
  options: Partial<IpsecDialOptions> = {},
) {
  const charon = new FakeCharon(t)
  await charon.start()
  charon.answer = ({ command }) => {
    if (command === 'initiate') charon.sas = [SA]
    return undefined
  }
  const clock = new VirtualClock()
  const { log, lines } = memoryLog()
  const giveUp = new AbortController()
  const protect = protectCalls({ ...PLAIN, socket: charon.socket, ...options }, { clock, log })
  const commands = () => charon.told.map(({ command }) => command)
  return { charon, clock, lines, giveUp, commands, dial: () => passing(clock, protect(PATH, giveUp.signal)) }
}

const HOLD = `burrow-hold-${process.pid}-1.1.1.1.40000-2.2.2.2`
const BROUGHT_UP = ['load-shared', 'load-conn', 'load-conn', 'initiate']
const TAKEN_DOWN = ['terminate', 'unload-conn', 'unload-conn', 'unload-shared']

test('an SA is brought up for the ports of the call, and taken down after it', async t => {
  const { charon, commands, dial, lines } = await scene(t)
  const { protection, close } = await dial()
  assert.equal(protection.identity, '2.2.2.2')
  assert.deepEqual(commands(), BROUGHT_UP)
  const told = JSON.parse(JSON.stringify(charon.told)) as typeof charon.told
  assert.deepEqual(told[0]?.message, {
    id: 'burrow-psk-connect-40000',
    type: 'IKE',
    data: 'deep secret',
    owners: ['2.2.2.2'],
  })
  const connection = sectionOf(told[1]?.message[NAME])
  assert.deepEqual(
    [connection.version, connection.local_addrs, connection.remote_addrs],
    ['1', ['1.1.1.1'], ['2.2.2.2']],
  )
  const child = sectionOf(sectionOf(connection.children).l2tp)
  assert.deepEqual(
    [child.mode, child.local_ts, child.remote_ts],
    ['transport', ['dynamic[udp/40000]'], ['dynamic[udp/1701]']],
  )
  assert.deepEqual([child.close_action, child.dpd_action], ['start', 'restart'])
  assert.deepEqual(told[2]?.message[HOLD], {
    remote_addrs: ['127.0.0.1'],
    children: {
      [HOLD]: {
        mode: 'drop',
        local_ts: ['1.1.1.1/32[udp/40000]'],
        remote_ts: ['2.2.2.2/32[udp]'],
        start_action: 'trap',
      },
    },
  })
  assert.deepEqual(told[3]?.message, { child: 'l2tp', ike: NAME, timeout: '20000', loglevel: '-1' })
  await close()
  await close()
  assert.deepEqual(commands().slice(BROUGHT_UP.length), TAKEN_DOWN)
  await until('the connections to be closed', () => charon.clients === 0)
  assert.doesNotMatch(JSON.stringify(lines), /deep secret/)
})

test('tunnel mode names the addresses inside, and the gateway outside', async t => {
  const { charon, dial } = await scene(t, { mode: 'tunnel', gateway: '9.9.9.9', ike: '2', localId: 'me' })
  await dial()
  const connection = sectionOf(charon.told[1]?.message[NAME])
  assert.deepEqual([connection.remote_addrs, connection.local_addrs], [['9.9.9.9'], undefined])
  const child = sectionOf(sectionOf(connection.children).l2tp)
  assert.deepEqual([child.local_ts, child.remote_ts], [['1.1.1.1[udp/40000]'], ['2.2.2.2[udp/1701]']])
  assert.equal(sectionOf(connection.local).id, 'me')
  // IKEv2 looks for the key before the peer has named itself.
  assert.equal(sectionOf(connection.remote).id, '9.9.9.9')
})

test('certificates in place of a key', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'burrow-ipsec-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeClientFiles(folder)
  const charon = new FakeCharon(t)
  await charon.start()
  charon.answer = ({ command }) => {
    if (command === 'initiate') charon.sas = [SA]
    return command === 'load-key' ? { success: 'yes', id: 'f00d' } : undefined
  }
  const at = (name: string) => join(folder, name)
  const { psk: _, ...rest } = PLAIN
  const certificates = { certFile: at('client.pem'), keyFile: at('client.key'), caFile: at('ca.pem') }
  const clock = new VirtualClock()
  const protect = protectCalls(
    { ...rest, socket: charon.socket, certificates },
    { clock, log: memoryLog().log },
  )
  const { close } = await passing(clock, protect(PATH, new AbortController().signal))
  assert.equal(sectionOf(sectionOf(charon.told[1]?.message[NAME]).local).auth, 'pubkey')
  await close()
  assert.deepEqual(
    charon.told.map(({ command, message }) => `${command} ${message.id ?? ''}`.trim()),
    [
      ...['load-key', 'load-conn', 'load-conn', 'initiate'],
      ...['terminate', 'unload-conn', 'unload-conn', 'unload-key f00d'],
    ],
  )
})

test('what charon cannot bring up is an error with its reason, and nothing is left', async t => {
  const { charon, commands, dial } = await scene(t)
  charon.answer = ({ command }) =>
    command === 'initiate' ? { success: 'no', errmsg: 'establishing CHILD_SA failed' } : undefined
  await assert.rejects(dial(), { code: 'IPSEC_REFUSED', message: /establishing CHILD_SA failed/ })
  assert.deepEqual(commands().slice(BROUGHT_UP.length), TAKEN_DOWN)
})

test('an SA that does not carry the call is as good as none', async t => {
  const { charon, commands, dial } = await scene(t)
  charon.answer = () => undefined
  await assert.rejects(dial(), { code: 'IPSEC_REFUSED' })
  assert.deepEqual(commands().slice(BROUGHT_UP.length), TAKEN_DOWN)
})

test('whoever gives up while it comes up leaves nothing either', async t => {
  const { charon, commands, dial, giveUp } = await scene(t)
  charon.answer = ({ command }) => {
    if (command !== 'initiate') return undefined
    giveUp.abort()
    return 'hang'
  }
  await assert.rejects(dial(), { code: 'DIAL_FAILED' })
  assert.deepEqual(commands().slice(BROUGHT_UP.length - 1), TAKEN_DOWN)
})

test('an SA that is gone for good is a loss; one that is followed is not', async t => {
  const { charon, clock, dial } = await scene(t)
  const { lost, close } = await dial()
  let reason: string | undefined
  void lost.then(text => {
    reason = text
  })
  /** The timer of the grace alone is armed, or none is. */
  const seen = async (sas: FakeCharon['sas'], timers: number) => {
    const before = charon.looksAtOne
    charon.change(sas, 'child-updown', SA)
    await until('the event to be seen', () => charon.looksAtOne > before && clock.pending === timers)
  }
  await seen([], 1)
  await clock.advance(9_000)
  await seen([SA], 0)
  await clock.advance(20_000)
  assert.equal(reason, undefined)
  await seen([], 1)
  await clock.advance(10_000)
  assert.match(reason ?? '', /its IPsec SA is gone/)
  await close()
})

test('its own end is no loss', async t => {
  const { clock, dial } = await scene(t)
  const { lost, close } = await dial()
  let isLost = false
  void lost.then(() => {
    isLost = true
  })
  await close()
  await clock.advance(60_000)
  assert.equal(isLost, false)
  assert.equal(clock.pending, 0)
})

test('where there is no charon, the call is not placed', async t => {
  const charon = new FakeCharon(t)
  const clock = new VirtualClock()
  const protect = protectCalls({ ...PLAIN, socket: charon.socket }, { clock, log: memoryLog().log })
  await assert.rejects(protect(PATH, new AbortController().signal), { code: 'IPSEC_CHARON' })
  assert.equal(clock.pending, 0)
})
