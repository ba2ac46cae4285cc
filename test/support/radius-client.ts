/** The plugin radius-client, started in real time, and the capability that it provides. */
import { RADIUS, type RadiusClient } from '../../core/plugin/radius.ts'
import type { SharedResources } from '../../core/plugin/shared.ts'
import { nodeClock } from '../../core/runtime/node/clock.ts'
import { type Harness, startPlugin } from '../../core/testing/plugin-harness.ts'
import type { TestScope } from '../../core/testing/scope.ts'
import type { VirtualClock } from '../../core/testing/virtual-clock.ts'
import radiusClient from '../../plugins/radius-client/index.ts'
import type { Freeradius } from './freeradius.ts'

export interface StartedClient {
  readonly client: RadiusClient
  /** Its log, above all. */
  readonly plugin: Harness
}

export async function startRadiusClient(
  t: TestScope,
  options: Readonly<Record<string, unknown>>,
  { shared, configDir }: { readonly shared?: SharedResources; readonly configDir?: string } = {},
): Promise<StartedClient> {
  let client: RadiusClient | undefined
  const watched: typeof radiusClient = {
    ...radiusClient,
    setup: (context, given) =>
      radiusClient.setup(
        {
          ...context,
          provide: (capability, value) => {
            client = value as RadiusClient
            context.provide(capability, value)
          },
        },
        given,
      ),
  }
  const plugin = await startPlugin(t, watched, {
    options,
    // Packets of real servers come in real time.
    clock: nodeClock as unknown as VirtualClock,
    ...(shared === undefined ? {} : { shared }),
    ...(configDir === undefined ? {} : { configDir }),
  })
  if (client === undefined) throw new Error(`${RADIUS.name} was not provided`)
  return { client, plugin }
}

/** The options of a server that is a FreeRADIUS of the test. */
export function serverOptions(
  { host, authPort, acctPort, secret }: Freeradius,
  options: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> {
  return { address: host, authPort, acctPort, secret, ...options }
}

export const pap = (user: string, password: string) => ({
  code: 'Access-Request' as const,
  attributes: [
    { name: 'User-Name', value: user },
    { name: 'User-Password', value: password },
  ],
})
