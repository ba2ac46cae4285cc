/** The exchange between client and LNS as their datagrams tell it. */
import { readFileSync } from 'node:fs'
import type { TraceRecord } from '../../runtime/trace.ts'
import { type Description, describeDatagram } from '../../wire/describe.ts'

export interface Rung {
  readonly direction: 'to-lns' | 'to-client'
  /** `SCCRQ`, `LCP Configure-Ack`, ... */
  readonly name: string
  /** Ids, sequence numbers and what the message carries. */
  readonly details: string
  readonly fields: Description['fields']
}

/** Reads a trace that the LNS wrote. */
export function readLadder(file: string): readonly Rung[] {
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines.filter(line => line !== '').map(line => rung(JSON.parse(line) as TraceRecord))
}

function rung({ direction, hex }: TraceRecord): Rung {
  const { text, fields } = describeDatagram(Uint8Array.from(Buffer.from(hex, 'hex')))
  const name = nameOf(fields)
  return {
    direction: direction === 'in' ? 'to-lns' : 'to-client',
    name,
    details: text.startsWith(name) ? text.slice(name.length).trim() : text,
    fields,
  }
}

function nameOf(fields: Description['fields']): string {
  if (fields.kind === 'control') return fields.message
  if (fields.kind === 'data') return `${fields.ppp.protocol} ${fields.ppp.code ?? ''}`.trim()
  return 'unreadable'
}

const ARROW_WIDTH = 36

export function drawLadder(rungs: readonly Rung[]): string {
  const head = `    ${'client'.padEnd(ARROW_WIDTH)}LNS\n`
  return (
    head +
    rungs.map(({ direction, name, details }) => `     |${arrow(direction, name)}|  ${details}\n`).join('')
  )
}

function arrow(direction: Rung['direction'], name: string): string {
  const dashes = '-'.repeat(Math.max(2, ARROW_WIDTH - name.length - 7))
  return direction === 'to-lns' ? ` ${name} ${dashes}> ` : ` <${dashes} ${name} `
}

/** One message that the reference exchange has. */
export interface Expected {
  readonly name: string
  readonly direction?: Rung['direction']
  /** Must be found in the details. */
  readonly details?: RegExp
}

/** The reference exchange; others (ZLB, repetitions, LCP options that are refused) may lie between. */
export function referenceExchange(method: 'pap' | 'chap'): readonly Expected[] {
  const toLns = (name: string, details?: RegExp) =>
    ({ name, direction: 'to-lns', ...(details && { details }) }) as const
  const toClient = (name: string, details?: RegExp) =>
    ({ ...toLns(name, details), direction: 'to-client' }) as const
  const proof = {
    pap: [toLns('PAP Authenticate-Request', /user hb@hb/), toClient('PAP Authenticate-Ack')],
    chap: [toClient('CHAP Challenge'), toLns('CHAP Response', /name hb@hb/), toClient('CHAP Success')],
  }
  return [
    toLns('SCCRQ', /^tunnel 0 session 0 Ns 0 Nr 0/),
    toClient('SCCRP', /assigned tunnel/),
    toLns('SCCCN'),
    toLns('ICRQ', /assigned session/),
    toClient('ICRP', /assigned session/),
    toLns('ICCN'),
    { name: 'LCP Configure-Ack', details: /MRU 1500/ },
    { name: 'LCP Configure-Ack', details: /MRU 1500/ },
    ...proof[method],
    toClient('IPCP Configure-Ack', /IP-Address 172\.16\.1\.\d+/),
    toLns('CDN'),
    toLns('StopCCN'),
  ]
}

/** The first expected message that the ladder does not have in its place; undefined when it has all. */
export function missingFrom(rungs: readonly Rung[], expected: readonly Expected[]): Expected | undefined {
  let at = 0
  return expected.find(({ name, direction, details }) => {
    const found = rungs.findIndex(
      (rung, index) =>
        index >= at &&
        rung.name === name &&
        (direction === undefined || rung.direction === direction) &&
        (details === undefined || details.test(rung.details)),
    )
    at = found + 1
    return found === -1
  })
}
