// Runs `npm test` on the Node releases beside the one at hand, each fetched from the npm registry. Words after `--`
// choose test files, as for `npm test`.
import { spawnSync } from 'node:child_process'

const words = process.argv.slice(2).map(word => `'${word.replaceAll("'", "'\\''")}'`)
for (const version of ['22', '24']) {
  process.stderr.write(`burrow: npm test on Node ${version}\n`)
  const command = `node --version && npm test -- ${words.join(' ')}`
  const { status } = spawnSync('npx', ['-y', '-p', `node@${version}`, '-c', command], { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}
