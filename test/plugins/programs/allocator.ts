/**
 * A program for `hook-exec` with `mode: pooled` that leases the addresses 10.0.0.1 to 10.0.0.COUNT and keeps them in a file.
 * Its arguments: the file, COUNT.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { answerLease, type LeaseCall, type Leases } from './leases.ts'

const [, , file = '', count = ''] = process.argv

createInterface({ input: process.stdin }).on('line', line => {
  const call: LeaseCall & { readonly id: string } = JSON.parse(line)
  const leases: Leases = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
  const verdict = answerLease(leases, Number(count), call)
  writeFileSync(file, JSON.stringify(leases))
  process.stdout.write(`${JSON.stringify({ id: call.id, verdict })}\n`)
})
