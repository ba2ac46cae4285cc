/** When radius-coa gives its port back: it is taken out of the config of a server that goes on. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startMemoryLns } from 'burrow/testing'
import { freePort, isFree } from '../support/udp-port.ts'
import { until } from '../support/until.ts'

const yaml = (more = '') => `
listen: [2.2.2.2]
gatewayAddress: 172.16.1.1
plugins:
  - radius-client: { servers: [{ address: 127.0.0.1, authPort: 9, acctPort: 9, secret: s, statusServer: false }] }
  - auth-local: { users: [{ user: ann, password: pw-of-ann }] }
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.9] } } }
${more}`

const ANN = { user: 'ann', password: 'pw-of-ann', from: '198.51.100.1' }

for (const [how, enforce] of [
  ['with the last call of the config that had it', false],
  ['at once where the calls pass to the new config', true],
] as const)
  test(`taken out of the config, radius-coa gives its port back ${how}`, async t => {
    const port = await freePort()
    const source = '{ address: 127.0.0.1, secret: secret-of-the-billing }'
    const coa = `  - radius-coa: { address: 127.0.0.1, port: ${port}, sources: [${source}] }`
    const lns = await startMemoryLns(t, { yaml: yaml(coa) })
    const ann = await lns.dialUp(ANN)
    assert.equal(await isFree(port), false)
    await lns.reload(yaml(), { enforce })
    if (!enforce) {
      assert.equal(await isFree(port), false)
      await ann.hangUp()
    }
    await until('the port to be free', () => isFree(port))
    assert.equal(lns.sessions().length, enforce ? 1 : 0)
  })
