import type { ProtectCalls } from './call-protection.ts'
import type { AnyPlugin } from './plugin.ts'

/** The plugins that come with Burrow; each is the default export of `plugins/NAME/index.ts`. */
export const BUILT_IN: readonly string[] = [
  'accounting-file',
  'accounting-radius',
  'address-pool',
  'auth-eap-tls',
  'auth-ldap',
  'auth-local',
  'auth-radius',
  'hook-exec',
  'hook-http',
  'ipsec-strongswan',
  'policy-nftables',
  'policy-zones',
  'radius-client',
  'radius-coa',
]

/** Imports a plugin of our own. The path is computed because nothing in the core may depend on a plugin. */
export async function importBuiltIn(name: string): Promise<AnyPlugin> {
  const module = (await import(new URL(`../../plugins/${name}/index.js`, import.meta.url).href)) as {
    readonly default: AnyPlugin
  }
  return module.default
}

/** How a client of ours dials inside of IPsec; by a computed path for the same reason. */
export async function importProtectCalls(): Promise<ProtectCalls> {
  const module = (await import(
    new URL('../../plugins/ipsec-strongswan/client.js', import.meta.url).href
  )) as {
    readonly protectCalls: ProtectCalls
  }
  return module.protectCalls
}
