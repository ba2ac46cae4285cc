/** Prints the hash of the password on the first line of standard input: never from argv, which every user can read. */
import { text } from 'node:stream/consumers'
import { hashPassword, isHashable } from './password-hash.ts'

const [password = ''] = (await text(process.stdin)).split(/\r?\n/, 1)
if (!isHashable(password)) {
  process.stderr.write('hash-password: give a password without NUL on standard input\n')
  process.exitCode = 1
} else {
  process.stdout.write(`${await hashPassword(password)}\n`)
}
