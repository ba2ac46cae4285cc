/** Our own choices for a PPP link; what the RFCs fix is with the code that uses it. */
import type { Role } from '../outputs.ts'
import type { PppConfig } from './link-env.ts'

const COMMON = {
  // 1500 less IP, UDP, L2TP and PPP headers, with room for IPsec around them: what deployments settled on.
  mruBytes: 1400,
  authName: 'burrow',
  requestAcfc: true,
  requestPfc: true,
  echo: { intervalMs: 30_000, failures: 4 },
  restartTimerMs: 3_000,
  maxConfigure: 10,
  maxTerminate: 2,
  maxFailure: 5,
  // 48 s: whoever verifies us may have to ask a person.
  maxLogins: 16,
  authTimeoutMs: 60_000,
  setupTimeoutMs: 120_000,
  localAddress: '0.0.0.0',
  dns: [],
  nbns: [],
  ipv6: false,
  proxy: 'renegotiate',
  dns6: [],
  clientRoutes: [],
} as const

/** Defaults of each role. An LNS wants `localAddress` set, a client `authAs`. */
export const DEFAULT_PPP: Readonly<Record<Role, PppConfig>> = {
  lns: { ...COMMON, role: 'lns', demandAuth: ['chap-md5', 'pap'], requestDns: false },
  lac: { ...COMMON, role: 'lac', demandAuth: [], requestDns: true },
}
