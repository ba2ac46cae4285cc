/** The `plugins` of the config as entries: `- name`, `- name: {options}`, and deployments, which group such entries. */
import { BurrowError } from '../errors.ts'
import { type Deployment, takesEveryCall } from '../plugin/deployment.ts'
import type { PluginEntry } from '../plugin/load.ts'
import { nearest } from '../plugin/nearest.ts'
import type { ValuePath } from '../plugin/schema-nodes.ts'
import { schemaProblems } from '../plugin/schema-problems.ts'
import { DeploymentConfig } from './deployment-config.ts'
import type { PlacedYaml } from './yaml-places.ts'

interface PluginList {
  /** Of all groups and outside of them, in order. */
  readonly entries: readonly PluginEntry[]
  readonly deployments: readonly Deployment[]
  readonly problems: readonly BurrowError[]
  readonly warnings: readonly string[]
}

/** What a list is read from: its value, and the same with references to secrets as they are written. */
export interface ListSource {
  readonly value: unknown
  readonly written: unknown
  readonly locate: PlacedYaml['locate']
}

const GROUP = 'deployment'

/** Options of every plugin, which are ours to read. */
interface OursOnly {
  readonly as?: unknown
  readonly onUnavailable?: unknown
}

const isName = (value: unknown): value is string => typeof value === 'string' && /^[\w.-]{1,64}$/.test(value)

/** What is not a list at all is left to the schema. `secrets`: the names of tunnel secrets, where they are known. */
export function pluginList(source: ListSource, secrets: readonly string[] | undefined): PluginList {
  const reader = new Reader(source, secrets)
  reader.read(['plugins'])
  const { entries, deployments, problems } = reader
  return { entries, deployments, problems, warnings: unreachable(deployments) }
}

class Reader {
  readonly entries: PluginEntry[] = []
  readonly deployments: Deployment[] = []
  readonly problems: BurrowError[] = []
  readonly #source: ListSource
  readonly #secrets: readonly string[] | undefined

  constructor(source: ListSource, secrets: readonly string[] | undefined) {
    this.#source = source
    this.#secrets = secrets
  }

  read(list: ValuePath, deployment?: string): void {
    const items = at(this.#source.value, list)
    for (const [index, item] of (Array.isArray(items) ? items : []).entries())
      this.#item(item, [...list, index], deployment)
  }

  #item(item: unknown, path: ValuePath, deployment: string | undefined): void {
    if (typeof item === 'string' && item !== GROUP)
      return this.#entry(item, {}, { path, key: [], deployment })
    if (typeof item !== 'object' || item === null || Array.isArray(item))
      return this.#invalid(path, `${textOf(path)}: expected "- name" or "- name: {options}"`)
    const [[name, given] = ['', undefined], ...more] = Object.entries(item)
    const [second] = more
    if (second !== undefined) {
      const text = `${textOf(path)}: "${second[0]}" stands beside "${name}"; indent options further than the plugin's name`
      return this.#invalid([...path, second[0]], text)
    }
    if (name !== GROUP) return this.#entry(name, given ?? {}, { path, key: [name], deployment })
    if (deployment === undefined) return this.#group([...path, GROUP])
    this.#wrongGroup(path, `a deployment stands inside of deployment "${deployment}"`)
  }

  #entry(
    name: string,
    options: unknown,
    { path, key, deployment }: { path: ValuePath; key: ValuePath; deployment: string | undefined },
  ): void {
    const { locate } = this.#source
    const own = [...path, ...key]
    if (typeof options !== 'object' || options === null || Array.isArray(options))
      return this.#invalid(own, `${textOf(path)}: expected the options of "${name}" as a mapping`)
    const { as, onUnavailable, ...rest } = options as OursOnly
    const wrong = (key: keyof OursOnly, is: unknown, expected: string) =>
      this.#invalid([...own, key], `${textOf(own)}.${key} is ${JSON.stringify(is)}: expected ${expected}`)
    if (onUnavailable !== undefined && onUnavailable !== 'reject' && onUnavailable !== 'next')
      return wrong('onUnavailable', onUnavailable, 'reject or next')
    if (as !== undefined && !isName(as))
      return wrong('as', as, 'a name of at most 64 letters, digits, ".", "-" and "_"')
    this.entries.push({
      name,
      options: rest,
      written: withoutOurs(key.length === 0 ? {} : at(this.#source.written, own)),
      ...(deployment === undefined ? {} : { deployment }),
      ...(as === undefined ? {} : { as }),
      ...(onUnavailable === undefined ? {} : { onUnavailable }),
      locate: inner => locate([...own, ...inner]),
    })
  }

  #group(path: ValuePath): void {
    const { value, written, locate } = this.#source
    const checked = DeploymentConfig.safeParse(at(value, path))
    if (!checked.success) {
      this.problems.push(
        ...schemaProblems(checked.error, {
          code: 'CONFIG_INVALID',
          schema: DeploymentConfig,
          input: at(written, path),
          locate: inner => locate([...path, ...inner]),
        }),
      )
      return
    }
    const { name, when, plugins } = checked.data
    const first = this.deployments.find(other => other.name === name)
    if (first !== undefined)
      this.#wrongGroup(
        [...path, 'name'],
        `deployment "${name}" is there already, on line ${first.place.line}`,
      )
    if (plugins.length === 0) this.#wrongGroup([...path, 'plugins'], `deployment "${name}" has no plugins`)
    for (const [index, secret] of (when.secret ?? []).entries())
      this.#checkSecret(secret, [...path, 'when', 'secret', index])
    this.deployments.push({ name, when, place: locate(path) })
    this.read([...path, 'plugins'], name)
  }

  #checkSecret(secret: string, path: ValuePath): void {
    if (this.#secrets === undefined || this.#secrets.includes(secret)) return
    const guess = nearest(secret, this.#secrets)
    const hint = guess === undefined ? '' : `; did you mean "${guess}"?`
    this.#wrongGroup(path, `no entry of \`secrets\` is named "${secret}"${hint}`)
  }

  #wrongGroup(path: ValuePath, text: string): void {
    this.problems.push(new BurrowError('DEPLOYMENT_INVALID', text, this.#source.locate(path)))
  }

  #invalid(path: ValuePath, text: string): void {
    this.problems.push(new BurrowError('CONFIG_INVALID', text, this.#source.locate(path)))
  }
}

function unreachable(deployments: readonly Deployment[]): readonly string[] {
  const last = deployments.findIndex(takesEveryCall)
  const first = deployments[last]
  if (first === undefined) return []
  return deployments
    .slice(last + 1)
    .map(
      ({ name, place }) =>
        `deployment "${name}" (${place.file}:${place.line}) serves no call: "${first.name}" (${first.place.file}:${first.place.line}), above it, takes every one`,
    )
}

const textOf = (path: ValuePath): string =>
  path
    .map(key => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('')
    .slice(1)

const at = (value: unknown, path: ValuePath): unknown =>
  path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key], value)

function withoutOurs(written: unknown): unknown {
  if (typeof written !== 'object' || written === null) return {}
  const { as: _, onUnavailable: __, ...own } = written as OursOnly
  return own
}
