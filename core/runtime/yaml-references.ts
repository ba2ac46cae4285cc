/** A YAML file with what it refers to: `!env NAME`, `!file PATH`, `!include PATH`. */
import { BurrowError, type ErrorPlace, throwProblems } from '../errors.ts'
import { isSecretKey } from '../plugin/secret-key.ts'
import { absolute, besides, firstLineOf, readText, variable } from './node/files.ts'
import { type PlacedNode, type PlacedYaml, placedTree, placedYaml, type Tags } from './yaml-places.ts'

export interface ComposedYaml extends PlacedYaml {
  /** The value with each reference to a secret as it is written, in its place. */
  readonly written: unknown
  /** Each text that a reference stands for, and the reference as it is written. */
  readonly referenced: ReadonlyMap<string, string>
  /** The file itself and all that it includes, in the order of reading. */
  readonly files: readonly string[]
  /** Those files, and those that were referred to, that hold a secret. */
  readonly secretFiles: ReadonlySet<string>
}

/** Includes inside of includes. */
const DEEPEST_INCLUDE = 8
const MOST_INCLUDES = 256

/** Reads `file` and all that it refers to; throws every coded error that is found, each at its own file and line. */
export function composeYaml(file: string): ComposedYaml {
  const composer = new Composer()
  const root = composer.read(file, [])
  throwProblems(composer.problems)
  return {
    ...placedYaml(root),
    written: writtenOf(root) ?? {},
    referenced: composer.referenced,
    files: composer.files,
    secretFiles: new Set([...composer.secretFiles, ...holders(root)]),
  }
}

type Resolve = (text: string, place: ErrorPlace, outer: readonly string[]) => PlacedNode

class Composer {
  readonly problems: BurrowError[] = []
  readonly referenced = new Map<string, string>()
  readonly files: string[] = []
  readonly secretFiles = new Set<string>()

  readonly #meanings: Readonly<Record<string, Resolve>> = {
    '!env': (name, place) =>
      this.#secret(`!env ${name}`, place, `the variable ${name}`, () => variable(name)),
    '!file': (path, place) => {
      const file = besides(place.file ?? '', path)
      this.secretFiles.add(file)
      return this.#secret(`!file ${path}`, place, `the file ${file}`, () => firstLineOf(file))
    },
    '!include': (path, place, outer) => this.#include(besides(place.file ?? '', path), place, outer),
  }

  /** `outer`: the files that this one is included from, with itself as the last one. */
  read(file: string, outer: readonly string[], from: ErrorPlace = { file }): PlacedNode {
    const tags: Tags = {
      names: Object.keys(this.#meanings),
      resolve: (tag, text, place) =>
        text === ''
          ? this.#wrong('CONFIG_SYNTAX', `${tag} names nothing`, place)
          : (this.#meanings[tag]?.(text, place, [...outer, file]) ?? { value: null, place }),
    }
    this.files.push(file)
    return placedTree({ file, text: readConfig(file, from), code: 'CONFIG_SYNTAX', tags })
  }

  #include(file: string, place: ErrorPlace, outer: readonly string[]): PlacedNode {
    const wrong = this.#whyNot(file, outer)
    if (wrong !== undefined) return this.#wrong('CONFIG_INCLUDE', wrong, place)
    try {
      return { ...this.read(file, outer, place), included: true }
    } catch (error) {
      if (!(error instanceof BurrowError)) throw error
      this.problems.push(error)
      return { value: null, place }
    }
  }

  #whyNot(file: string, outer: readonly string[]): string | undefined {
    const names = outer.map(absolute)
    if (names.includes(file)) return `${file} includes itself: ${[...names, file].join(' -> ')}`
    if (outer.length > DEEPEST_INCLUDE) return `${file} would be include ${outer.length} inside of another`
    return this.files.length > MOST_INCLUDES ? `there are more than ${MOST_INCLUDES} includes` : undefined
  }

  #secret(written: string, place: ErrorPlace, what: string, read: () => string | undefined): PlacedNode {
    const text = attempted(read)
    if (text === undefined || text === '')
      return this.#wrong('CONFIG_SECRET_MISSING', `${what} is missing or empty`, place)
    this.referenced.set(text, written)
    return { value: text, place, written }
  }

  #wrong(code: BurrowError['code'], text: string, place: ErrorPlace): PlacedNode {
    this.problems.push(new BurrowError(code, text, place))
    return { value: null, place }
  }
}

function readConfig(file: string, from: ErrorPlace): string {
  try {
    return readText(file)
  } catch (cause) {
    throw new BurrowError('CONFIG_NOT_FOUND', (cause as Error).message, from, { cause })
  }
}

/** What cannot be read is not there. */
export function attempted<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

function writtenOf({ value, inner, written }: PlacedNode): unknown {
  if (inner === undefined) return written ?? value
  const entries = [...inner].map(([key, node]) => [key, writtenOf(node)] as const)
  return Array.isArray(value) ? entries.map(([, item]) => item) : Object.fromEntries(entries)
}

/** The files in which a secret itself stands. */
function holders({ value, place, inner, written }: PlacedNode, key: PropertyKey = ''): readonly string[] {
  if (inner !== undefined)
    return [...inner].flatMap(([name, node]) => holders(node, typeof name === 'number' ? key : name))
  const holds = isSecretKey(key) && value !== null && written === undefined
  return holds && place.file !== undefined ? [place.file] : []
}
