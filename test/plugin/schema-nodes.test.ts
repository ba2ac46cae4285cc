import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { isMarkedSecret, markedSecrets, nodesAt } from '../../core/plugin/schema-nodes.ts'
import { schemaProblems } from '../../core/plugin/schema-problems.ts'

const secret = z.string().meta({ secret: true })

for (const [what, schema, value, paths] of [
  ['an option', z.object({ a: secret, b: z.string() }), { a: 'x', b: 'y' }, ['a']],
  [
    'an optional one, with a default, transformed',
    z.object({ a: secret.transform(String).optional().prefault('z') }),
    { a: 'x' },
    ['a'],
  ],
  ['values of a record', z.record(z.string(), secret), { p: 'x', q: 'y' }, ['p', 'q']],
  ['items of a list', z.object({ l: z.array(secret) }), { l: ['x', 'y'] }, ['l.0', 'l.1']],
  [
    'a whole mapping',
    z.object({ m: z.object({ a: z.number() }).meta({ secret: true }) }),
    { m: { a: 7 } },
    ['m.a'],
  ],
  [
    'an alternative',
    z.object({ a: z.union([z.number(), z.object({ s: secret })]) }),
    { a: { s: 'x' } },
    ['a.s'],
  ],
  ['a tuple', z.tuple([z.string(), secret]), ['x', 'y'], ['1']],
  ['what is missing', z.object({ a: secret.optional() }), {}, []],
  ['nothing', z.object({ a: z.string() }), { a: 'x', extra: 'y' }, []],
] as const satisfies readonly (readonly [string, z.ZodType, unknown, readonly string[]])[]) {
  test(`a schema marks ${what}`, () => {
    const found = markedSecrets(schema, value)
    assert.deepEqual(
      found.map(({ path }) => path.join('.')),
      paths,
    )
    for (const { path } of found) assert.equal(isMarkedSecret(schema, path), true)
  })
}

test('a schema that contains itself is read as far as the value goes', () => {
  const tree: z.ZodType = z.object({
    s: secret,
    get inner() {
      return tree.optional()
    },
  })
  const value = { s: 'x', inner: { s: 'y', inner: { s: 'z' } } }
  assert.deepEqual(
    markedSecrets(tree, value).map(({ text }) => text),
    ['x', 'y', 'z'],
  )
})

test('a schema that cannot be drawn marks and knows nothing', () => {
  const foreign = { safeParse: () => ({ success: true }) } as unknown as z.ZodType
  assert.deepEqual([markedSecrets(foreign, { a: 1 }), nodesAt(foreign, ['a'])], [[], []])
})

test('no error quotes a value that the schema marks', () => {
  const schema = z.strictObject({ nonce: z.string().min(20).meta({ secret: true }) })
  const input = { nonce: 'hunter2' }
  const error = schema.safeParse(input).error
  assert.ok(error !== undefined)
  const [problem] = schemaProblems(error, { code: 'PLUGIN_OPTIONS', schema, input, locate: () => ({}) })
  assert.match(problem?.message ?? '', /^nonce is a value that is not shown/)
})
