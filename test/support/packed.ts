/** Burrow as npm packs it, installed far from this checkout: what whoever has no checkout works with. Needs npm's registry or cache. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from './imports.ts'
import { type Exit, run } from './processes.ts'

const DEADLINE_MS = 240_000
/** No audit, no fund, and no script of any package, as everywhere in our tests. */
const ENV = {
  npm_config_prefer_offline: 'true',
  npm_config_ignore_scripts: 'true',
  npm_config_audit: 'false',
  npm_config_fund: 'false',
  npm_config_update_notifier: 'false',
  // Or a `node --test` in there takes itself for a part of this one, and runs nothing.
  NODE_TEST_CONTEXT: undefined,
}

export interface Packed {
  /** Gone after the test; Burrow is installed in it. */
  readonly folder: string
  readonly tarball: string
  /** The paths in the package. */
  readonly files: readonly string[]
}

export async function packBurrow(t: { after(remove: () => void): void }): Promise<Packed> {
  const folder = mkdtempSync(join(tmpdir(), 'burrow-packed-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const store = join(folder, 'packed')
  mkdirSync(store)
  // Without its script, which empties the dist that tests run from.
  const { stdout } = await shell(`npm pack --ignore-scripts --json --pack-destination ${store}`, ROOT)
  const [name] = readdirSync(store)
  const tarball = join(store, name ?? assert.fail('npm pack made nothing'))
  const [{ files }] = JSON.parse(stdout)
  await shell(`npm install ${tarball}`, folder)
  return { folder, tarball, files: files.map(({ path }: { readonly path: string }) => path) }
}

/** Runs a command line to its end, which must be a good one. */
export async function shell(line: string, cwd: string): Promise<Exit> {
  const exit = await run(['sh', '-c', line], { cwd, env: ENV, deadlineMs: DEADLINE_MS })
  assert.equal(exit.code, 0, `${line}\n${exit.stdout}${exit.stderr}`)
  return exit
}
