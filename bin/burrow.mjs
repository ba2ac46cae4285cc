#!/usr/bin/env node
// The command `burrow`. Not the built file itself: npx links what it finds at its first call, even before a build.
import { existsSync } from 'node:fs'

const main = new URL('../dist/core/cli/main.js', import.meta.url)
if (existsSync(main)) {
  await import(main.href)
} else {
  process.stderr.write('burrow: this source tree is not built yet; run `npm run prepare:dist` in it\n')
  process.exitCode = 1
}
