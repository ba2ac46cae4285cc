// Runs `npm test` on the Node releases beside the one at hand, each fetched from the npm registry. Words go on to `npm test`.
import { spawnSync } from 'node:child_process'
import { delimiter, dirname } from 'node:path'

const words = process.argv.slice(2)

for (const version of ['22', '24']) {
  const node = whereIs(version)
  process.stderr.write(`burrow: npm test on Node ${version}: ${node}\n`)
  // Not within npx: what it tells its children by the environment would reach the npm commands of the tests.
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH}` }
  const { status } = spawnSync('npm', ['test', '--', ...words], { stdio: 'inherit', env })
  if (status !== 0) process.exit(status ?? 1)
}

function whereIs(version) {
  const call = ['-y', '-p', `node@${version}`, '-c', 'node -p process.execPath']
  const { status, stdout, error } = spawnSync('npx', call, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (status === 0) return stdout.trim()
  const why = error?.message ?? `npx ended with status ${status}`
  process.stderr.write(`burrow: Node ${version} could not be fetched: ${why}\n`)
  process.exit(1)
}
