/** A config with the files that it names, in a folder that goes with the test and in which `burrow` is this package. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { inspect } from 'node:util'
import { BurrowError } from '../../core/errors.ts'
import { type ConfigFile, loadConfig } from '../../core/runtime/config-file.ts'
import { ROOT } from './imports.ts'

export interface ConfigFolder {
  readonly path: string
  readonly config: string
  /** The absolute path of a file in it. */
  at(file: string): string
  write(files: Readonly<Record<string, string>>, mode?: number): void
  load(): Promise<ConfigFile>
  /** What is wrong with it, each as `CODE file:line`, the file relative to the folder. */
  faults(): Promise<readonly string[]>
  problems(): Promise<readonly BurrowError[]>
}

/** Without a gateway address in it, `burrow.yaml` gets one on its first line. */
export function configFolder(
  t: { after(remove: () => void): void },
  files: Readonly<Record<string, string>>,
): ConfigFolder {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'burrow-config-')))
  t.after(() => rmSync(path, { recursive: true }))
  mkdirSync(join(path, 'node_modules'))
  symlinkSync(ROOT, join(path, 'node_modules', 'burrow'))
  const config = join(path, 'burrow.yaml')
  const at = (file: string) => join(path, file)
  const folder: ConfigFolder = {
    path,
    config,
    at,
    write(more, mode = 0o600) {
      for (const [name, text] of Object.entries(more)) {
        mkdirSync(dirname(at(name)), { recursive: true })
        const whole = name !== 'burrow.yaml' || text.includes('gatewayAddress')
        writeFileSync(at(name), whole ? text : `gatewayAddress: 172.16.1.1\n${text}`)
        chmodSync(at(name), mode)
      }
    },
    load: () => loadConfig(config),
    async problems() {
      const error = await loadConfig(config).then(
        () => assert.fail('no error'),
        thrown => thrown,
      )
      assert.ok(error instanceof BurrowError, inspect(error))
      return [error, ...error.also]
    },
    async faults() {
      const problems = await folder.problems()
      return problems.map(
        ({ code, place }) => `${code} ${place.file?.replace(`${path}/`, '')}:${place.line ?? '-'}`,
      )
    },
  }
  folder.write(files)
  return folder
}

/** The source of a plugin that does nothing but what `more` says. */
export const pluginSource = (name: string, more = '', config = 'z.strictObject({})'): string =>
  `import { capability, definePlugin, z } from 'burrow'
export default definePlugin({ name: '${name}', config: ${config}, ${more} setup() {} })
`
