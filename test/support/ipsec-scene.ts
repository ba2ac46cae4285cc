/** ipsec-strongswan with a charon that follows a script. */
import assert from 'node:assert/strict'
import type { Path, TunnelInfo } from '../../core/index.ts'
import type { FakeServer } from '../../core/testing/fake-server.ts'
import { type Harness, type PluginSetting, startPlugin } from '../../core/testing/plugin-harness.ts'
import { aTunnel } from '../../core/testing/samples.ts'
import type { VirtualClock } from '../../core/testing/virtual-clock.ts'
import ipsec from '../../plugins/ipsec-strongswan/index.ts'
import { aSa, FakeCharon } from './fake-charon.ts'
import { until } from './until.ts'

export type Scope = Parameters<typeof startPlugin>[0]

export const GRACE_MS = 10_000
export const PROTECTION = {
  protocol: 'IKEv1',
  cipher: 'ESP transport AES_CBC-256/HMAC_SHA2_256_128',
  identity: '1.1.1.1',
}

export interface Scene {
  readonly charon: FakeCharon
  readonly plugin: Harness
  readonly server: FakeServer
  readonly clock: VirtualClock
  /** Lets a peer ask for a tunnel, as the core does: it is there while the plugin decides. */
  admit(tunnel?: TunnelInfo): Promise<{ readonly kind: string; readonly reason?: string }>
}

export async function scene(t: Scope, options: object = {}, setting: PluginSetting = {}): Promise<Scene> {
  const charon = new FakeCharon(t)
  await charon.start()
  return { charon, ...(await around(t, charon, options, setting)) }
}

export async function around(
  t: Scope,
  charon: FakeCharon,
  options: object,
  setting: PluginSetting,
): Promise<Omit<Scene, 'charon'>> {
  const plugin = await startPlugin(t, ipsec, {
    ...setting,
    options: { socket: charon.socket, ...options },
  })
  const { server, clock } = plugin
  return {
    plugin,
    server,
    clock,
    async admit(tunnel = aTunnel()) {
      server.liveTunnels.push(tunnel)
      const { verdict } = await passing(clock, plugin.admitTunnel(tunnel))
      if (verdict?.kind === 'deny')
        server.liveTunnels = server.liveTunnels.filter(({ key }) => key !== tunnel.key)
      return verdict ?? { kind: 'passed on' }
    },
  }
}

/** Virtual time passes until it is decided. */
export async function passing<T>(clock: VirtualClock, decided: Promise<T>): Promise<T> {
  let done = false
  const settled = decided.finally(() => {
    done = true
  })
  settled.catch(() => {})
  await until('a decision', async () => {
    await clock.advance(5)
    return done
  })
  return settled
}

export const from = (address: string, port = 1701): Path => ({
  local: { address: '2.2.2.2', port: 1701 },
  remote: { address, port },
})
export const keyed = (key: string, path: Path): TunnelInfo => ({ ...aTunnel(path), key })

/** A tunnel that is up inside of an SA. */
export async function tied(t: Scope, options: object = {}) {
  const made = await scene(t, options)
  made.charon.sas = [aSa()]
  assert.equal((await made.admit()).kind, 'passed on')
  return made
}

/** The plugin has seen what its charon told of, and looked at its tunnels. */
export async function seen({ plugin, charon, clock }: Scene): Promise<void> {
  const looks = charon.looks
  await passing(clock, plugin.admitTunnel(aTunnel(from('6.6.6.6'))))
  assert.ok(charon.looks > looks)
  await clock.advance(100)
}
