/** One process of the `ip` program for many commands. */
import { spawn } from 'node:child_process'
import { BurrowError } from '../../errors.ts'
import { ipv4Mask, parseIpv4 } from '../../wire/ip.ts'
import { formatIpv6, parseIpv6, parseIpv6Prefix } from '../../wire/ipv6.ts'

/** Runs commands in order, up to the first that fails: NETWORK_SETUP. Without a family, that of the addresses in each. */
export async function ipBatch(commands: readonly string[], family?: 4 | 6): Promise<void> {
  const words = [...(family === undefined ? [] : [`-${family}`]), '-batch', '-']
  if (commands.length > 0) await ip(words, `${commands.join('\n')}\n`)
}

/** What a command shows of one family, as `ip -json` gives it. */
export async function ipShow(family: 4 | 6, ...command: readonly string[]): Promise<readonly IpEntry[]> {
  const shown = await ip([`-${family}`, '-json', ...command])
  return shown.trim() === '' ? [] : JSON.parse(shown)
}

/** Of the routes and rules that `ip -json` shows, what is read here. */
export interface IpEntry extends IpHop {
  readonly type?: string
  readonly dst?: string
  readonly metric?: number
  readonly nexthops?: readonly IpHop[]
  readonly priority?: number
  readonly table?: string
  readonly src?: string
  readonly srclen?: number
  readonly iif?: string
}

/** One way of a route. */
export interface IpHop {
  readonly gateway?: string
  readonly via?: { readonly host: string }
  readonly dev?: string
  readonly flags?: readonly string[]
}

/** Host bits must be zero. Nothing else than this may be built into a command. */
export function checkedPrefix(text: string): string {
  if (text.includes(':')) return checkedPrefix6(text.includes('/') ? text : `${text}/128`)
  const [, address = '', length = '32'] = /^([\d.]+)(?:\/(\d{1,2}))?$/.exec(text) ?? []
  const number = parseIpv4(address)
  if (number === undefined || Number(length) > 32 || (number & ~ipv4Mask(Number(length))) !== 0)
    throw new BurrowError('NETWORK_SETUP', `${JSON.stringify(text)} is no IPv4 prefix`)
  return `${address}/${length}`
}

function checkedPrefix6(text: string): string {
  const read = parseIpv6Prefix(text)
  const given = parseIpv6(text.split('/')[0] ?? '')
  if (read === undefined || given === undefined || formatIpv6(given) !== formatIpv6(read.bytes))
    throw new BurrowError('NETWORK_SETUP', `${JSON.stringify(text)} is no IPv6 prefix`)
  return `${formatIpv6(read.bytes)}/${read.length}`
}

function ip(args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('ip', args, { stdio: ['pipe', 'pipe', 'pipe'] })
    const output = { stdout: '', stderr: '' }
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream].setEncoding('utf8').on('data', text => {
        output[stream] += text
      })
    }
    child.on('error', cause => {
      const missing = 'code' in cause && cause.code === 'ENOENT'
      const message = missing
        ? 'the `ip` program is missing: install the package iproute2'
        : `ip: ${cause.message}`
      reject(new BurrowError('NETWORK_SETUP', message, {}, { cause }))
    })
    child.on('close', code => {
      if (code === 0) return resolve(output.stdout)
      reject(new BurrowError('NETWORK_SETUP', `ip ${args.join(' ')}: ${explain(input, output.stderr)}`))
    })
    // A program that ends early closes the pipe; its exit code says what happened.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })
}

/** `ip -batch` names the line that failed: say which command that was. */
function explain(input: string, stderr: string): string {
  const line = Number(/^Command failed -:(\d+)/m.exec(stderr)?.[1] ?? 0)
  const command = input.split('\n')[line - 1]
  const words = stderr.replace(/^Command failed.*$/m, '').trim()
  return command === undefined ? words : `\`${command}\`: ${words}`
}
