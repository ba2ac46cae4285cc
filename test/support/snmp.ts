/** What the kernel counts of IP, UDP and TCP in a namespace. */
import { readFileSync } from 'node:fs'

/** By `Udp.InErrors` and the like; `process` is the folder of one that is in the namespace. */
export function countersOf(process = '/proc/thread-self'): ReadonlyMap<string, number> {
  const counters = new Map<string, number>()
  const lines = readFileSync(`${process}/net/snmp`, 'utf8').split('\n')
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const [protocol = '', ...names] = (lines[i] ?? '').split(' ')
    const [, ...values] = (lines[i + 1] ?? '').split(' ')
    for (const [nth, name] of names.entries())
      counters.set(protocol.replace(':', `.${name}`), Number(values[nth]))
  }
  return counters
}
