/** A command on a terminal of its own: what a person sees and types. */
import { spawn } from 'node:child_process'
import { until } from './until.ts'

const SIGN_MS = 20_000

export interface Terminal {
  readonly shown: () => string
  readonly type: (keys: string) => void
  /** Waits for a text. */
  readonly shows: (sign: string) => Promise<unknown>
  /** Of the command, when it has ended. */
  readonly code: Promise<number | null>
}

export function onTerminal(
  t: { after(kill: () => void): void },
  command: readonly string[],
  { netns, cwd }: { readonly netns?: string; readonly cwd?: string } = {},
): Terminal {
  const words = ['script', '-qec', command.join(' '), '/dev/null']
  const [program = '', ...args] = netns === undefined ? words : ['ip', 'netns', 'exec', netns, ...words]
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], cwd })
  t.after(() => child.kill('SIGKILL'))
  let shown = ''
  child.stdout.setEncoding('utf8').on('data', chunk => {
    shown += chunk
  })
  return {
    shown: () => shown,
    type: keys => child.stdin.write(keys),
    shows: sign =>
      until(
        sign,
        () => shown.includes(sign),
        SIGN_MS,
        () => shown,
      ),
    code: new Promise(resolve => child.on('close', resolve)),
  }
}
