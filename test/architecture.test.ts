/** The import arrows and bans of core/README.md. Each ban has its reason; each is shown to bite. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codeOf, importsOf, readSources, type Source } from './support/imports.ts'

/** Which room may import which. A room's own files are always allowed. */
const ROOMS = {
  'core/ports.ts': [],
  'core/errors.ts': [],
  'core/crypto.ts': ['core/ports.ts', 'core/errors.ts'],
  'core/flow.ts': ['core/ports.ts'],
  'core/wire/': ['BOTTOM'],
  'core/protocol/': ['BOTTOM', 'core/wire/'],
  'core/hooks/': ['BOTTOM', 'core/wire/', 'core/protocol/'],
  'core/plugin/': ['BOTTOM', 'core/wire/', 'core/protocol/', 'core/hooks/'],
  'core/dataplane/': ['BOTTOM', 'core/wire/'],
  'core/runtime/': [
    'BOTTOM',
    'core/wire/',
    'core/protocol/',
    'core/hooks/',
    'core/plugin/',
    'core/dataplane/',
  ],
  'core/cli/': ['core/'],
  'core/testing/': [
    'BOTTOM',
    'core/wire/',
    'core/protocol/',
    'core/hooks/',
    'core/plugin/',
    'core/dataplane/',
    'core/runtime/',
  ],
  'core/index.ts': ['core/'],
  'plugins/': [],
  'examples/': [],
} as const satisfies Record<string, readonly string[]>

const BOTTOM = ['core/ports.ts', 'core/errors.ts', 'core/crypto.ts', 'core/flow.ts']

interface PackageRule {
  readonly module: RegExp
  /** The only places that may import it. */
  readonly only: readonly string[]
  readonly because: string
}

const PACKAGES: readonly PackageRule[] = [
  {
    module: /^inversify$/,
    only: ['core/plugin/container.ts'],
    because: 'the container can be replaced in one place',
  },
  { module: /^tapable$/, only: ['core/hooks/'], because: 'every tap goes through the guard' },
  { module: /^koffi$/, only: ['core/dataplane/tun/'], because: 'native calls have one home' },
  {
    module: /^(node:)?crypto$/,
    only: ['core/crypto.ts', 'plugins/', 'examples/'],
    because: 'the core hashes and compares in one place',
  },
  { module: /^js-md4$/, only: ['core/crypto.ts'], because: 'hashes have one home' },
  {
    module: /^(core\/testing\/.*|burrow\/testing|node:test|node:assert.*)$/,
    only: ['core/testing/', 'examples/'],
    because: 'a server never loads the test kit, nor what that is made of',
  },
  {
    module: /^fast-check$/,
    only: ['core/testing/fast-check.ts'],
    because: 'only who runs a contract suite must have it',
  },
  {
    module: /^node:/,
    only: [
      'core/crypto.ts',
      'core/runtime/node/',
      'core/dataplane/tun/',
      'core/dataplane/worker',
      'core/cli/',
      'core/testing/',
      'plugins/',
      'examples/',
    ],
    because: 'everything else must run in a test without an operating system',
  },
]

interface WordRule {
  readonly word: RegExp
  readonly where: readonly string[]
  readonly except: readonly string[]
  readonly because: string
}

/** The protocol and the way of a packet. */
const SANS_IO = ['core/wire/', 'core/protocol/', 'core/dataplane/']
/** What stands between the way of a packet and the main thread. */
const STAGES = [
  'core/dataplane/data-plane.ts',
  'core/dataplane/command-data-plane.ts',
  'core/dataplane/inline.ts',
  'core/dataplane/worker',
]

const WORDS: readonly WordRule[] = [
  {
    word: /\bDate\b|\bperformance\.now\b/,
    where: SANS_IO,
    except: STAGES,
    because: 'time is an argument: virtual time must be all the time there is',
  },
  {
    word: /\bMath\.random\b/,
    where: ['core/', 'plugins/'],
    except: [],
    because: 'randomness is a port, seeded in tests',
  },
  {
    word: /\bsetTimeout\b|\bsetInterval\b|\bsetImmediate\b/,
    where: ['core/'],
    except: ['core/runtime/node/', 'core/dataplane/worker-clock.ts', 'core/cli/', 'core/testing/'],
    because: 'deadlines go through the Clock port',
  },
  {
    word: /\bclock\.setTimer\b/,
    where: ['core/'],
    except: ['core/runtime/', 'core/hooks/attempt.ts'],
    because: 'whoever drives the core arms its one timer, and the guard arms the deadline of a tap',
  },
  {
    // `async:` is the framing of that name (RFC 2661 4.4.3).
    word: /\bPromise\b|\basync\b(?!:)|\bawait\b/,
    where: SANS_IO,
    except: STAGES,
    because: 'the protocol and the packet path are synchronous',
  },
  {
    word: /\bprocess\.exit\b/,
    where: ['core/', 'plugins/'],
    except: ['core/cli/'],
    because: 'only the command ends the process',
  },
  {
    word: /\bconsole\./,
    where: ['core/', 'plugins/'],
    except: [],
    because: 'output goes through the Logger port or the command',
  },
]

const LONGEST_FILE_LINES = 450

function violations(sources: readonly Source[]): string[] {
  return sources.flatMap(source => [
    ...arrows(source),
    ...packages(source),
    ...words(source),
    ...(source.text.split('\n').length > LONGEST_FILE_LINES
      ? [`${source.path} has more than ${LONGEST_FILE_LINES} lines: a second room may be hiding inside`]
      : []),
  ])
}

function roomOf(path: string): keyof typeof ROOMS | undefined {
  return (Object.keys(ROOMS) as (keyof typeof ROOMS)[]).find(
    room => path === room || (room.endsWith('/') && path.startsWith(room)),
  )
}

function arrows(source: Source): string[] {
  const room = roomOf(source.path)
  if (room === undefined) return [`${source.path} is in no room of core/README.md`]
  const allowed: readonly string[] = ROOMS[room].flatMap((entry: string) =>
    entry === 'BOTTOM' ? BOTTOM : [entry],
  )
  // A plugin or an example is a room of its own: it shares with others through capabilities.
  const own =
    room === 'plugins/' || room === 'examples/' ? source.path.split('/').slice(0, 2).join('/') : room
  return importsOf(source)
    .filter(target => /^(core|plugins|examples|test)\//.test(target))
    .filter(target => !target.startsWith(own) && !allowed.some(entry => target.startsWith(entry)))
    .map(target => `${source.path} imports ${target}: the arrows of core/README.md do not lead there`)
}

function packages(source: Source): string[] {
  return importsOf(source).flatMap(target =>
    PACKAGES.filter(
      rule => rule.module.test(target) && !rule.only.some(place => source.path.startsWith(place)),
    ).map(
      rule => `${source.path} imports ${target}, which belongs in ${rule.only.join(', ')}: ${rule.because}`,
    ),
  )
}

function words(source: Source): string[] {
  const code = codeOf(source)
  return WORDS.filter(
    ({ word, where, except }) =>
      where.some(place => source.path.startsWith(place)) &&
      !except.some(place => source.path.startsWith(place)) &&
      word.test(code),
  ).map(({ word, because }) => `${source.path} says ${word.source}: ${because}`)
}

test('imports follow the arrows, and nothing does what its room forbids', () => {
  const sources = readSources(['core', 'plugins', 'examples'])
  assert.ok(sources.length > 20, 'the sources were found')
  assert.deepEqual(violations(sources), [])
})

test('each place that a rule names is there', () => {
  const paths = readSources(['core', 'plugins', 'examples']).map(({ path }) => path)
  const places = [
    ...Object.keys(ROOMS),
    ...PACKAGES.flatMap(({ only }) => only),
    ...WORDS.flatMap(({ where, except }) => [...where, ...except]),
  ]
  // The examples so far are configs, without code.
  const gone = places.filter(place => place !== 'examples/' && !paths.some(path => path.startsWith(place)))
  assert.deepEqual(gone, [])
})

test('tests stay within their length', () => {
  const long = readSources(['test']).filter(({ text }) => text.split('\n').length > LONGEST_FILE_LINES)
  assert.deepEqual(
    long.map(({ path }) => path),
    [],
  )
})

test('each rule bites', () => {
  const guilty: readonly Source[] = [
    { path: 'core/wire/a.ts', text: "import { x } from '../protocol/endpoint.ts'" },
    { path: 'core/protocol/b.ts', text: "import type { y } from '../dataplane/data-plane.ts'" },
    { path: 'core/hooks/c.ts', text: "import {\n  z,\n} from '../runtime/driver.ts'" },
    { path: 'core/dataplane/d.ts', text: "export { w } from '../protocol/outputs.ts'" },
    { path: 'plugins/one/index.ts', text: "import { v } from '../two/index.ts'" },
    { path: 'plugins/one/deep.ts', text: "import { v } from '../../core/index.ts'" },
    { path: 'core/runtime/e.ts', text: "import { Container } from 'inversify'" },
    { path: 'core/runtime/f.ts', text: "import { SyncHook } from 'tapable'" },
    { path: 'core/runtime/g.ts', text: "const koffi = await import('koffi')" },
    { path: 'plugins/one/g.ts', text: "import md4 from 'js-md4'" },
    { path: 'core/wire/h.ts', text: "import 'node:fs'" },
    { path: 'core/protocol/i.ts', text: 'const now = Date.now()' },
    { path: 'core/runtime/j.ts', text: 'const dice = Math.random()' },
    { path: 'core/runtime/k.ts', text: 'setTimeout(run, 5)' },
    { path: 'core/plugin/k.ts', text: 'this.#clock.setTimer(5, run)' },
    { path: 'core/dataplane/k.ts', text: 'await settled()' },
    { path: 'core/runtime/k.ts', text: "import { readFileSync } from 'node:fs'" },
    { path: 'core/runtime/node/l.ts', text: "const { createHash } = await import('node:crypto')" },
    { path: 'core/cli/l.ts', text: "import { VirtualClock } from '../testing/virtual-clock.ts'" },
    { path: 'core/cli/m.ts', text: "const fc = await import('fast-check')" },
    { path: 'plugins/one/l.ts', text: "import { startPlugin } from 'burrow/testing'" },
    { path: 'core/testing/l.ts', text: "import { main } from '../cli/main.ts'" },
    { path: 'core/wire/l.ts', text: 'export async function decode() {}' },
    { path: 'plugins/one/m.ts', text: 'console.log(1)' },
    { path: 'core/elsewhere/n.ts', text: '' },
    { path: 'core/wire/o.ts', text: '\n'.repeat(LONGEST_FILE_LINES) },
  ]
  for (const source of guilty) assert.equal(violations([source]).length, 1, `${source.path} breaks one rule`)
  const innocent = {
    path: 'core/wire/p.ts',
    text: "// Date.now() and async\nimport { x } from '../ports.ts'\nconst s = 'Promise'",
  }
  assert.deepEqual(violations([innocent]), [])
})
