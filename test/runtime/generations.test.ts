import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PluginHost } from '../../core/plugin/host.ts'
import { type Generation, Generations } from '../../core/runtime/generations.ts'
import { SESSION } from '../support/session.ts'

const generation = (number: number): Generation => ({
  number,
  host: {} as PluginHost,
  deployments: [],
  defaultZone: 'dmz',
  interimIntervalS: 0,
})

function scene() {
  const unused: number[] = []
  const generations = new Generations(generation(1), ({ number }) => unused.push(number))
  return { generations, unused, next: (number: number) => generations.begin(generation(number)) }
}

const other = { ...SESSION, id: 'other' }

test('what is seen first is bound to the generation of then, and keeps it', () => {
  const { generations, unused, next } = scene()
  assert.equal(generations.ofSession(SESSION).generation.number, 1)
  next(2)
  assert.equal(generations.ofSession(SESSION).generation.number, 1)
  assert.equal(generations.ofSession(other).generation.number, 2)
  assert.deepEqual(unused, [])
  generations.over(SESSION)
  assert.deepEqual(unused, [1])
  generations.over(other)
  assert.deepEqual(unused, [1], 'the one of now is needed')
})

test('a generation that serves nothing goes with the next one', () => {
  const { unused, next } = scene()
  next(2)
  next(3)
  assert.deepEqual(unused, [1, 2])
})

test('what is gone is moved nowhere', () => {
  const { generations, unused, next } = scene()
  generations.ofTunnel(SESSION.tunnel)
  generations.ofSession(SESSION)
  next(2)
  for (const gone of [SESSION, SESSION.tunnel]) {
    generations.over(gone)
    generations.move(gone, 'hq')
  }
  assert.deepEqual(unused, [1])
  assert.deepEqual(
    generations.living.map(({ tunnels, sessions }) => tunnels + sessions),
    [0],
  )
})

test('what passes on takes its login along, into its deployment', () => {
  const { generations, unused, next } = scene()
  const login = { user: 'ann', plugin: 'auth-local', grant: { user: 'ann' } }
  Object.assign(generations.ofSession(SESSION), { login })
  next(2)
  generations.move(SESSION, 'hq', login)
  const { number } = generations.ofSession(SESSION).generation
  assert.deepEqual([number, generations.deploymentOf(SESSION)], [2, 'hq'])
  assert.deepEqual(generations.ofSession(SESSION).login, login)
  assert.deepEqual(unused, [1])
})

test('a generation that is held is used until it is let go', () => {
  const { generations, unused, next } = scene()
  const letGo = generations.hold(generations.current)
  next(2)
  assert.deepEqual(unused, [])
  letGo()
  assert.deepEqual(unused, [1])
})
