import { relative } from 'node:path'
import { type Command, Option } from 'commander'

interface Options {
  readonly hook: 'auth' | 'accounting' | 'policy' | 'address'
  readonly dir?: string
  readonly burrow?: string
}

export function addPlugin(program: Command): void {
  program
    .command('plugin')
    .description('for who writes plugins')
    .command('new')
    .description(
      'make the package of a new plugin: its source, a test that passes, and a config to try it with',
    )
    .argument('<name>', 'of the package, as npm has it: otp, @acme/burrow-otp')
    .addOption(
      new Option('--hook <kind>', 'what it answers')
        .choices(['auth', 'accounting', 'policy', 'address'])
        .default('auth'),
    )
    .option('--dir <folder>', 'where to make it; empty, or not there yet (default: ./NAME)')
    .option(
      '--burrow <spec>',
      'what npm installs Burrow from: a version or a path (default: what this one came from)',
    )
    .action(async (name: string, { hook, dir, burrow }: Options) => {
      const { makePlugin, TEMPLATE_HOOKS } = await import('../new-plugin.ts')
      const folder = makePlugin({ name, hook, dir, burrow })
      const place = relative('.', folder) || '.'
      process.stdout.write(
        [
          `${place} is a plugin that taps ${TEMPLATE_HOOKS[hook]}.`,
          ...(place === '.' ? [] : [`  cd ${place}`]),
          '  npm install',
          '  npm test                                # builds and tests: no root, no network',
          '  npx burrow check -c burrow.yaml         # what the config comes to',
          '  sudo npx burrow serve -c burrow.yaml    # serves it, to this host alone\n',
        ].join('\n'),
      )
    })
}
