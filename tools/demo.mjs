// `npm run demo` plays the reference scenario with `burrow connect`; `npm run demo -- --client xl2tpd` with a real kernel's client.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const PLAYERS = { burrow: ['core/cli/main.js', 'demo'], xl2tpd: ['test/interop/demo.js'] }

const { values, tokens } = parseArgs({ options: { client: { type: 'string' } }, strict: false, tokens: true })
const { client = 'burrow' } = values
if (!Object.hasOwn(PLAYERS, client)) {
  process.stderr.write(
    `burrow: there is no client "${client}" to play with; there are ${Object.keys(PLAYERS).join(' and ')}\n`,
  )
  process.exit(2)
}
const rest = tokens
  .filter(token => token.kind === 'option' && token.name !== 'client')
  .map(({ rawName, value }) => (value === undefined ? rawName : `${rawName}=${value}`))
const [script, ...words] = PLAYERS[client]
const path = fileURLToPath(new URL(`../dist/${script}`, import.meta.url))
process.exitCode = spawnSync(process.execPath, [path, ...words, ...rest], { stdio: 'inherit' }).status ?? 1
