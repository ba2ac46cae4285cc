import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sizesOf, sizesText } from '../../core/cli/sizes.ts'
import { ServerConfig } from '../../core/runtime/server-config.ts'

const of = (config: object) => sizesOf(ServerConfig.parse({ gatewayAddress: '172.16.1.1', ...config }))

test('the default MRU leaves room for IPsec on a path of 1500 octets', () => {
  const sizes = of({})
  // 1400 + PPP 4 + L2TP 8 + UDP 8 + IPv4 20; in ESP padded to 16, with 20 + 8 + 8 + 16 before and 16 behind.
  assert.deepEqual(sizes, {
    mtuBytes: 1400,
    mssBytes: { ipv4: 1360, ipv6: 1340 },
    wireBytes: 1440,
    espBytes: 1492,
  })
  assert.equal(sizesText(sizes), '1400 (MSS 1360, over IPv6 1340); 1440 on the wire, 1492 in ESP')
})

test('over IPv6 the header around it is 20 octets longer', () => {
  const sizes = of({ listen: ['0.0.0.0', '::'] })
  assert.deepEqual([sizes.wireBytes, sizes.espBytes], [1460, 1512])
  assert.match(sizesText(of({ listen: ['::'] })), /takes in fragments$/)
  assert.equal(of({ listen: ['::'], ppp: { mruBytes: 1386 } }).espBytes, 1496)
})

test('a larger one is told of, a smaller device counts, and so does an MSS that is left alone', () => {
  assert.match(sizesText(of({ ppp: { mruBytes: 1500 } })), /1540 on the wire, .* takes in fragments$/)
  assert.equal(of({ tun: { mtuBytes: 1300 } }).mtuBytes, 1300)
  const { mssBytes } = of({ tun: { clampMss: false } })
  assert.equal(mssBytes, undefined)
  assert.match(sizesText(of({ tun: { clampMss: false } })), /MSS left alone/)
})
