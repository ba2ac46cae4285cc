/** What plugins of a deployment see of the server. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { scopedServer } from '../../core/plugin/scope.ts'
import { FakeServer } from '../../core/testing/fake-server.ts'
import { anEnd, aSession } from '../../core/testing/samples.ts'

const prefixes = (address: string) => [{ address, length: 24 }]

test('a deployment sees the sessions of its own users, and nobody of the same name elsewhere', () => {
  const server = new FakeServer()
  const [hq, branch] = [aSession({ user: 'bob' }), aSession({ user: 'bob' })]
  for (const session of [hq, branch]) server.book.note(session)
  const seen = (deployment: string | undefined) =>
    scopedServer(server, deployment, ({ id }) => (id === hq.id ? 'hq' : 'branch'))
      .sessionsOf('bob')
      .map(({ id }) => id)
  assert.deepEqual(seen('hq'), [hq.id])
  assert.deepEqual(seen('branch'), [branch.id])
  assert.deepEqual(seen(undefined), [hq.id, branch.id])
})

test('a deployment sees who is up of its own, and grants them what it likes', async () => {
  const server = new FakeServer()
  const [hq, branch] = [aSession({ user: 'bob' }), aSession({ user: 'bob' })]
  server.up = [hq, branch].map(session => anEnd(session))
  const view = scopedServer(server, 'hq', ({ id }) => (id === hq.id ? 'hq' : 'branch'))
  assert.deepEqual(
    view.sessions().map(({ session }) => session.id),
    [hq.id],
  )
  assert.deepEqual(
    view.sessions(({ session }) => session.id === branch.id),
    [],
  )
  assert.equal(scopedServer(server, undefined, () => undefined).sessions().length, 2)
  assert.equal(await view.regrant(hq.key, { zone: 'trust' }), 'changed')
  assert.deepEqual(view.sessions()[0]?.grant, { user: 'bob', zone: 'trust' })
  assert.equal(await view.regrant('nobody', {}), 'gone')
})

test('a deployment cannot end or change a session of another', async () => {
  const server = new FakeServer()
  const [hq, branch] = [aSession({ user: 'bob' }), aSession({ user: 'bob' })]
  server.up = [hq, branch].map(session => anEnd(session))
  const view = scopedServer(server, 'hq', ({ id }) => (id === hq.id ? 'hq' : 'branch'))
  assert.equal(await view.regrant(branch.key, { zone: 'trust' }), 'gone')
  await view.endSession(branch.key, 'admin-reset', 'by a neighbour')
  assert.deepEqual([server.regranted, server.ended], [[], []])
  await view.endSession(hq.key, 'admin-reset', 'by us')
  assert.deepEqual(
    server.ended.map(({ key }) => key),
    [hq.key],
  )
})

test('of two pools of one name a deployment sees its own, whichever is listed first; those of others not at all', () => {
  const server = new FakeServer()
  const hq = scopedServer(server, 'hq', () => undefined)
  hq.declarePool('main', prefixes('10.1.0.0'))
  server.declarePool('main', prefixes('10.0.0.0'))
  server.declarePool('all', prefixes('10.9.0.0'))
  scopedServer(server, 'lab', () => undefined).declarePool('lab', prefixes('10.2.0.0'))
  assert.deepEqual(
    [...hq.pools()].map(([name, [prefix]]) => `${name} ${prefix?.address}`),
    ['main 10.1.0.0', 'all 10.9.0.0'],
  )
  assert.deepEqual([...server.pools().keys()].sort(), ['all', 'hq/main', 'lab/lab', 'main'])
})
