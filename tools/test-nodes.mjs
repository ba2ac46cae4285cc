// Runs `npm test` on the Node releases beside the one at hand, each fetched from the npm registry.
import { spawnSync } from 'node:child_process'
import { dirname } from 'node:path'

for (const version of ['22', '24']) {
  const node = whereIs(version)
  process.stderr.write(`burrow: npm test on Node ${version}: ${node}\n`)
  // Not within npx: what it tells its children by the environment would reach the npm commands of the tests.
  const env = { ...process.env, PATH: `${dirname(node)}:${process.env.PATH}` }
  const { status } = spawnSync('npm', ['test', '--', ...process.argv.slice(2)], { stdio: 'inherit', env })
  if (status !== 0) process.exit(status ?? 1)
}

function whereIs(version) {
  const call = ['-y', '-p', `node@${version}`, '-c', 'node -p process.execPath']
  const { status, stdout, error } = spawnSync('npx', call, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (status === 0) return stdout.trim()
  process.stderr.write(
    `burrow: Node ${version} could not be fetched: ${error?.message ?? `npx ended with status ${status}`}\n`,
  )
  process.exit(1)
}
