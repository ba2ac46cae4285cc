import type { Command } from 'commander'
import { stringify } from 'yaml'
import type { BootReport } from '../../plugin/host.ts'
import type { LogFields } from '../../ports.ts'
import { readText } from '../../runtime/node/files.ts'
import { createLogger } from '../../runtime/node/logger.ts'
import { pluginEntries } from '../../runtime/plugin-list.ts'
import { parseYaml } from '../../runtime/yaml-places.ts'
import { masked } from '../mask.ts'
import { SAMPLE_CONFIG } from '../package-root.ts'
import type { LoadedConfig } from '../server.ts'
import { table } from '../table.ts'
import { thisMachine } from '../world.ts'

interface Options {
  readonly config: string
  readonly schema?: boolean
  readonly json?: boolean
}

interface Checked {
  readonly config: LoadedConfig
  readonly report: BootReport
  readonly warnings: readonly string[]
}

export function addCheck(program: Command): void {
  program
    .command('check')
    .description('check a config file and print what it comes to: settings, plugins and hooks in their order')
    .option('-c, --config <file>', 'config file; without it the sample of the package', SAMPLE_CONFIG)
    .option('--schema', 'print the JSON Schema of config files, for editors')
    .option('--json', 'print as JSON')
    .action(async ({ config, schema, json }: Options) => {
      if (schema === true) {
        const { configJsonSchema } = await import('../server.ts')
        return print(asJson(await configJsonSchema()))
      }
      const checked = await check(config)
      print(json === true ? asJson(asData(checked)) : asText(checked))
    })
}

async function check(file: string): Promise<Checked> {
  const { loadConfig, Lns } = await import('../server.ts')
  const config = await loadConfig(file)
  const warnings = [...config.warnings]
  const silent = createLogger({ level: 'silent' })
  const log = {
    ...silent,
    warn: ({ file }: LogFields, text: string) =>
      void warnings.push(file === undefined ? text : `${text} (${file})`),
    child: () => log,
  }
  const report = await new Lns(config, thisMachine(log, undefined)).check()
  return { config, report, warnings }
}

const print = (text: string) => void process.stdout.write(text)
const asJson = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`

/** What is in force, in the words of the file where it says something: a plugin may keep an address as a number. */
function optionsOf({ file, plugins }: LoadedConfig, name: string): unknown {
  const { value, locate } = parseYaml(file, readText(file))
  const { entries } = pluginEntries((value as { readonly plugins?: unknown }).plugins, locate)
  const written = entries.find(entry => entry.name === name)?.options
  return masked(overlaid(plugins.find(({ plugin }) => plugin.name === name)?.options, written))
}

function overlaid(below: unknown, above: unknown): unknown {
  if (!isMapping(below) || !isMapping(above)) return above ?? below
  const keys = Object.keys({ ...below, ...above })
  return Object.fromEntries(keys.map(key => [key, overlaid(below[key], above[key])]))
}

const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function asData({ config, report, warnings }: Checked): object {
  const { plugins: _, secrets, ...server } = config.server
  return {
    file: config.file,
    server: { ...(masked(server) as object), secrets: masked(secrets) },
    plugins: report.plugins.map(plugin => ({ ...plugin, options: optionsOf(config, plugin.name) })),
    hooks: report.hooks,
    warnings,
  }
}

function asText({ config, report, warnings }: Checked): string {
  const { listen, gatewayAddress, tun, ppp, defaultZone, manageKernel, controlSocket } = config.server
  const names = config.secrets.map(({ name }) => name)
  const settings = [
    ['listen', listen.map(({ address, port }) => `${address}:${port}`).join(', ')],
    ['gateway', `${gatewayAddress} on ${tun.name}, MTU ${tun.mtuBytes ?? ppp.mruBytes}`],
    ['users prove', ppp.auth.join(', then ')],
    ['tunnel secrets', names.length === 0 ? 'none' : `${names.join(', ')} (not shown)`],
    ['default zone', defaultZone],
    ['kernel', manageKernel ? 'settings are set and restored' : 'settings are checked only'],
    ['control socket', controlSocket],
  ]
  const plugins = report.plugins.map(({ name, place, requires, provides }, index) => [
    index + 1,
    name,
    place.line ?? '',
    requires.join(', ') || '-',
    provides.join(', ') || '-',
  ])
  const options = stringify(report.plugins.map(({ name }) => ({ [name]: optionsOf(config, name) })))
  const hooks = report.hooks.map(({ hook, taps }) => [
    hook,
    taps.map(({ plugin, tap }) => (plugin === tap ? plugin : `${plugin} (${tap})`)).join(', ') || '-',
  ])
  return [
    `${config.file} is in order\n`,
    table(['SETTING', 'VALUE'], settings),
    table(['#', 'PLUGIN', 'LINE', 'REQUIRES', 'PROVIDES'], plugins),
    table(['HOOK', 'ASKED IN THIS ORDER'], hooks),
    `OPTIONS IN FORCE\n${options}`,
    ...(warnings.length === 0 ? [] : [warnings.map(text => `warning: ${text}\n`).join('')]),
  ].join('\n')
}
