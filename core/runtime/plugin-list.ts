/** The `plugins` of the config as entries: `- name`, or `- name: {options}`. */
import { BurrowError } from '../errors.ts'
import type { PluginEntry } from '../plugin/load.ts'
import type { PlacedYaml } from './yaml-places.ts'

type Locate = PlacedYaml['locate']

interface PluginList {
  readonly entries: readonly PluginEntry[]
  readonly problems: readonly BurrowError[]
}

/** What is not a list at all is left to the schema. */
export function pluginEntries(value: unknown, locate: Locate): PluginList {
  const results = (Array.isArray(value) ? value : []).map((item, index) => entry(item, index, locate))
  return {
    entries: results.flatMap(result => (result instanceof BurrowError ? [] : [result])),
    problems: results.flatMap(result => (result instanceof BurrowError ? [result] : [])),
  }
}

function entry(item: unknown, index: number, locate: Locate): PluginEntry | BurrowError {
  const wrong = (path: readonly PropertyKey[], text: string) =>
    new BurrowError('CONFIG_INVALID', text, locate(['plugins', index, ...path]))
  if (typeof item === 'string') {
    return { name: item, options: {}, locate: () => locate(['plugins', index]) }
  }
  if (typeof item !== 'object' || item === null || Array.isArray(item)) {
    return wrong([], `plugins[${index}]: expected "- name" or "- name: {options}"`)
  }
  const [[name, given] = ['', undefined], ...more] = Object.entries(item)
  const [second] = more
  if (second !== undefined) {
    const text = `plugins[${index}]: "${second[0]}" stands beside "${name}"; indent options further than the plugin's name`
    return wrong([second[0]], text)
  }
  const options = given ?? {}
  if (typeof options !== 'object' || Array.isArray(options)) {
    return wrong([name], `plugins[${index}]: expected the options of "${name}" as a mapping`)
  }
  const { onUnavailable, ...own } = options as { readonly onUnavailable?: unknown }
  if (onUnavailable !== undefined && onUnavailable !== 'reject' && onUnavailable !== 'next') {
    const text = `plugins[${index}].${name}.onUnavailable is ${JSON.stringify(onUnavailable)}: expected reject or next`
    return wrong([name, 'onUnavailable'], text)
  }
  return {
    name,
    options: own,
    ...(onUnavailable === undefined ? {} : { onUnavailable }),
    locate: path => locate(['plugins', index, name, ...path]),
  }
}
