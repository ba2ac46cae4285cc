/** Runs in the thread of Node's module hooks: turns TypeScript into JavaScript as it is loaded. */
import { readFileSync } from 'node:fs'
import type { LoadHook } from 'node:module'
import { fileURLToPath } from 'node:url'
import type { Transpiler } from './transpilers.ts'

type Transpile = (source: string, file: string) => string

interface Esbuild {
  transformSync(source: string, options: object): { readonly code: string }
}

const MAKERS: Readonly<Record<Transpiler, (module: { readonly default: unknown }) => Transpile>> = {
  esbuild: module => (source, file) =>
    (module.default as Esbuild).transformSync(source, {
      loader: 'ts',
      format: 'esm',
      target: `node${process.versions.node}`,
      sourcefile: file,
      sourcemap: 'inline',
    }).code,
}

let transpile: Transpile | undefined

export async function initialize({
  name,
  url,
}: {
  readonly name: Transpiler
  readonly url: string
}): Promise<void> {
  transpile = MAKERS[name](await import(url))
}

export const load: LoadHook = (url, context, nextLoad) => {
  const [path = ''] = url.split('?', 1)
  if (transpile === undefined || !/^file:.*\.m?ts$/.test(path)) return nextLoad(url, context)
  const file = fileURLToPath(path)
  return { format: 'module', source: transpile(readFileSync(file, 'utf8'), file), shortCircuit: true }
}
