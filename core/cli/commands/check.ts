import type { Command } from 'commander'
import { stringify } from 'yaml'
import type { ErrorPlace } from '../../errors.ts'
import type { HookOrder } from '../../hooks/hook-set.ts'
import type { BootReport } from '../../plugin/host.ts'
import type { LogFields } from '../../ports.ts'
import { textWithout, withoutSecrets } from '../../runtime/hidden.ts'
import { createLogger } from '../../runtime/node/logger.ts'
import { socketText } from '../../wire/socket-text.ts'
import { masked } from '../mask.ts'
import { SAMPLE_CONFIG } from '../package-root.ts'
import { type PlannedDeployment, type PlannedPlugin, plannedDeployments, plannedPlugins } from '../plan.ts'
import { asBurrowError } from '../report.ts'
import type { ConfigFile } from '../server.ts'
import { sizesOf, sizesText } from '../sizes.ts'
import { table } from '../table.ts'
import { thisMachine } from '../world.ts'

interface Options {
  readonly config: string
  readonly schema?: boolean
  readonly json?: boolean
}

interface Checked {
  readonly config: ConfigFile
  readonly report: BootReport
  readonly warnings: readonly string[]
}

export function addCheck(program: Command): void {
  program
    .command('check')
    .description(
      'check a config file and print what it comes to: settings, deployments, plugins and hooks in their order',
    )
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
  try {
    const report = await new Lns(config, thisMachine(log, undefined)).check()
    return { config, report, warnings: warnings.map(text => textWithout(text, config.hidden)) }
  } catch (error) {
    throw withoutSecrets(asBurrowError(error), config.hidden)
  }
}

const print = (text: string) => void process.stdout.write(text)
const asJson = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`

function asData({ config, report, warnings }: Checked): object {
  const { plugins: _, secrets, ...server } = config.server
  return {
    file: config.file,
    files: config.files,
    server: { ...(masked(server, config.hidden) as object), secrets: masked(secrets, config.hidden) },
    sizes: sizesOf(config.server),
    deployments: plannedDeployments(config, report),
    plugins: plannedPlugins(config, report),
    hooks: report.hooks,
    warnings,
  }
}

function asText({ config, report, warnings }: Checked): string {
  const deployments = plannedDeployments(config, report)
  const planned = plannedPlugins(config, report)
  const plugins = planned.map(({ id, place, requires, provides }, index) => [
    index + 1,
    id,
    lineOf(place, config.file),
    requires.join(', ') || '-',
    provides.join(', ') || '-',
  ])
  return [
    `${config.file} is in order\n`,
    table(['SETTING', 'VALUE'], settingsOf(config)),
    ...(deployments.length === 0 ? [] : [deploymentTable(deployments, config.file)]),
    table(['#', 'PLUGIN', 'LINE', 'REQUIRES', 'PROVIDES'], plugins),
    hookTable('ASKED IN THIS ORDER', report.hooks),
    ...deployments.map(({ name, hooks: own }) => hookTable(`ASKED IN THIS ORDER IN ${name}`, own)),
    `OPTIONS IN FORCE\n${stringify(planned.map(inForce))}`,
    ...(warnings.length === 0 ? [] : [warnings.map(text => `warning: ${text}\n`).join('')]),
  ].join('\n')
}

const inForce = ({ id, options, onUnavailable }: PlannedPlugin) => ({
  [id]: onUnavailable === undefined ? options : { ...(options as object), onUnavailable },
})

function settingsOf({ server, secrets, files }: ConfigFile): readonly (readonly [string, string])[] {
  const { listen, gatewayAddress, tun, ppp, defaultZone, manageKernel, controlSocket, transpiler } = server
  const names = secrets.map(({ name }) => name)
  return [
    ['listen', listen.map(socketText).join(', ')],
    ['gateway', `${gatewayAddress} on ${tun.name}, MTU ${tun.mtuBytes ?? ppp.mruBytes}`],
    ['session MTU', sizesText(sizesOf(server))],
    ['users prove', ppp.auth.join(', then ')],
    ['tunnel secrets', names.length === 0 ? 'none' : `${names.join(', ')} (not shown)`],
    ['default zone', defaultZone],
    ['kernel', manageKernel ? 'settings are set and restored' : 'settings are checked only'],
    ['control socket', controlSocket],
    ...(transpiler === undefined ? [] : [['transpiler', transpiler] as const]),
    ...(files.length === 1 ? [] : [['includes', files.slice(1).join(', ')] as const]),
  ]
}

function deploymentTable(deployments: readonly PlannedDeployment[], file: string): string {
  const rows = deployments.map(({ name, place, when }) => [
    name,
    lineOf(place, file),
    Object.entries(when)
      .map(([what, values]) => `${what} ${values.map(value => value || '""').join(' or ')}`)
      .join(', ') || 'every call',
  ])
  return table(['DEPLOYMENT', 'LINE', 'TAKES'], rows)
}

function hookTable(head: string, hooks: readonly HookOrder[]): string {
  const rows = hooks.map(({ hook, taps }) => [
    hook,
    taps
      .map(({ plugin, tap }) => (plugin.split('/').at(-1) === tap ? plugin : `${plugin} (${tap})`))
      .join(', ') || '-',
  ])
  return table(['HOOK', head], rows)
}

/** With its file where that is not the config itself. */
const lineOf = ({ file, line }: ErrorPlace, config: string): string =>
  file === undefined || file === config ? String(line ?? '') : `${file}:${line ?? ''}`
