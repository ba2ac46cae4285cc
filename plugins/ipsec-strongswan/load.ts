/** What charon is to have of us: connections, keys and certificates as messages of VICI. */
import { type IpsecSecret, type Logger, readTlsFiles } from 'burrow'
import type { ConnectionOptions, Options } from './config.ts'
import type { ViciMessage } from './vici-codec.ts'

/** One thing to load: `load-KIND`, and `unload-KIND` where charon has that. */
export interface Item {
  /** Unique; what it is unloaded by. */
  readonly id: string
  readonly kind: 'conn' | 'shared' | 'key' | 'cert'
  readonly message: ViciMessage
}

/** The CHILD_SA of a connection. */
export const CHILD = 'l2tp'
/** The shunt that drops L2TP in the clear. */
const CLEAR = 'burrow-clear-l2tp'
const ANYWHERE = ['0.0.0.0/0', '::/0']

export const connectionName = (name: string): string => `burrow-${name}`

const yesNo = (is: boolean) => (is ? 'yes' : 'no')

export function connectionItem(
  options: ConnectionOptions,
  { certificates = [], authorities = [], dials = false }: Certificates & { readonly dials?: boolean } = {},
): Item {
  const { name, ike, mode, auth, localAddresses, remoteAddresses, localId, remoteId } = options
  const { localSelectors, remoteSelectors, ikeProposals, espProposals, dpdDelayS, forceUdp } = options
  const id = connectionName(name)
  const proof = auth === 'psk' ? 'psk' : 'pubkey'
  const asked = auth === 'certificate'
  const message: ViciMessage = {
    [id]: {
      version: ike === 'any' ? '0' : ike,
      ...(localAddresses === undefined ? {} : { local_addrs: localAddresses }),
      ...(remoteAddresses === undefined ? {} : { remote_addrs: remoteAddresses }),
      proposals: ikeProposals,
      encap: yesNo(forceUdp),
      mobike: 'no',
      dpd_delay: `${dpdDelayS}s`,
      keyingtries: dials ? '1' : '0',
      local: {
        auth: proof,
        ...(localId === undefined ? {} : { id: localId }),
        ...(asked ? { certs: certificates } : {}),
      },
      remote: {
        auth: proof,
        ...(remoteId === undefined ? {} : { id: remoteId }),
        ...(asked ? { cacerts: authorities } : {}),
      },
      children: {
        [CHILD]: {
          mode,
          local_ts: localSelectors,
          remote_ts: remoteSelectors,
          esp_proposals: espProposals,
          start_action: 'none',
          // Whoever dials sees to it that another follows.
          close_action: dials ? 'start' : 'none',
          dpd_action: dials ? 'restart' : 'clear',
        },
      },
    },
  }
  return { id, kind: 'conn', message }
}

/** With whom nobody does IKE: a connection without addresses charon takes for one with everybody, whatever they prove. */
const NOBODY = ['127.0.0.1']

/** Below every policy of an SA: what matches none of them, and this, is dropped, in either direction. */
export function shuntItem(
  id: string,
  { local, remote }: { readonly local: readonly string[]; readonly remote: readonly string[] },
): Item {
  const shunt = { mode: 'drop', local_ts: local, remote_ts: remote, start_action: 'trap' }
  return { id, kind: 'conn', message: { [id]: { remote_addrs: NOBODY, children: { [id]: shunt } } } }
}

export const clearItem: Item = shuntItem(CLEAR, {
  local: ANYWHERE.map(network => `${network}[udp/1701]`),
  remote: ANYWHERE,
})

export const secretItem = (id: string, { psk, peers }: IpsecSecret): Item => ({
  id,
  kind: 'shared',
  message: { id, type: 'IKE', data: psk, ...(peers.length === 0 ? {} : { owners: peers }) },
})

interface Certificates {
  readonly certificates?: readonly string[]
  readonly authorities?: readonly string[]
}

/** Everything of the options, under names of `scope`; throws IPSEC_CONFIG for a file that is none. */
export function itemsOf(
  options: Options,
  { scope, configDir, log }: { readonly scope: string; readonly configDir: string; readonly log: Logger },
): readonly Item[] {
  const place = { configDir, log, code: 'IPSEC_CONFIG' } as const
  const pairs = options.certificates.map(files => readTlsFiles(files, place))
  const authorities = options.caFiles.map(caFile => readTlsFiles({ caFile }, place).ca ?? '')
  const certificates = pairs.map(({ cert = '' }) => cert)
  return [
    ...pairs.map(({ key = '' }, index): Item => {
      return { id: `burrow-key-${scope}${index}`, kind: 'key', message: { type: 'any', data: key } }
    }),
    ...authorities.map((data, index): Item => {
      return { id: `burrow-ca-${scope}${index}`, kind: 'cert', message: { type: 'X509', flag: 'CA', data } }
    }),
    ...options.secrets.map((secret, index) => secretItem(`burrow-psk-${scope}${index}`, secret)),
    ...options.connections.map(one =>
      connectionItem({ ...one, name: `${scope}${one.name}` }, { certificates, authorities }),
    ),
    ...(options.dropClear ? [clearItem] : []),
  ]
}
