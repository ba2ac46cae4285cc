/**
 * A program for `hook-exec` with `mode: pooled`: the user of each call says what becomes of it. `hold` waits until
 * `release` comes, and then all are answered, the last one first.
 */
import { createInterface } from 'node:readline'

interface Call {
  readonly id: string
  readonly hook: string
  readonly user?: string
  readonly proof?: { readonly password: string }
}

const held: Call[] = []
const passwords: string[] = []
const say = (line: string) => process.stdout.write(`${line}\n`)
const accept = ({ id, user = '' }: Call, as = user) =>
  say(JSON.stringify({ id, verdict: { kind: 'accept', user: as } }))

const ACTS: Readonly<Record<string, (call: Call) => void>> = {
  hold: call => void held.push(call),
  release: call => {
    for (const one of [...held.splice(0), call].reverse()) accept(one)
  },
  pid: call => accept(call, String(process.pid)),
  crash: () => process.exit(3),
  garbage: () => say('password is hunter2'),
  unnamed: () => say('{"verdict":{"kind":"accept","user":"x"}}'),
  stranger: call => {
    say(JSON.stringify({ id: 'nobody asked', verdict: { kind: 'accept', user: 'x' } }))
    accept(call)
  },
  huge: () => void process.stdout.write('x'.repeat(10_000)),
  sorry: ({ id }) => say(JSON.stringify({ id, error: 'the database is away' })),
  pass: ({ id }) => say(JSON.stringify({ id })),
  leak: call => {
    process.stderr.write(`${JSON.stringify(call)}\n`)
    accept(call)
  },
  spill: call => {
    process.stderr.write(`all: ${passwords.join(' ')}\n`)
    accept(call)
  },
}

createInterface({ input: process.stdin }).on('line', line => {
  const call: Call = JSON.parse(line)
  passwords.push(call.proof?.password ?? '')
  const act = ACTS[call.user ?? ''] ?? accept
  act(call)
})
