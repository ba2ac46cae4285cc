// Runs `npm test` on the Node releases beside the one at hand, each fetched from the npm registry.
import { spawnSync } from 'node:child_process'

for (const version of ['22', '24']) {
  process.stderr.write(`burrow: npm test on Node ${version}\n`)
  const { status } = spawnSync('npx', ['-y', '-p', `node@${version}`, '-c', 'node --version && npm test'], {
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(status ?? 1)
}
