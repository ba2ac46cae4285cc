/** `burrow connect` inside of IPsec: an SA for one call, brought up before it and taken down after it. */
import { BurrowError, type Clock, type Path, type ProtectCalls, readTlsFiles, type TimerHandle } from 'burrow'
import { Charon } from './charon.ts'
import { type ConnectionOptions, DEFAULT_SOCKET, ESP_PROPOSALS, IKE_PROPOSALS } from './config.ts'
import { holdItem } from './holds.ts'
import { CHILD, connectionItem, connectionName, type Item, secretItem } from './load.ts'
import type { Sa } from './sas.ts'
import { Vici } from './vici.ts'

type Options = Parameters<ProtectCalls>[0]

const ANSWER_MS = 5000
/** An SA that is gone may be followed by another for so long. */
const GRACE_MS = 10_000
const TERMINATE_MS = 3000

export const protectCalls: ProtectCalls =
  (options, { clock, log }) =>
  async (path, signal) => {
    const { socket = DEFAULT_SOCKET, setupTimeoutMs } = options
    // Its own port tells it from other calls of this host.
    const name = `connect-${path.local.port}`
    const items = itemsOf(options, path, name, log)
    const charon = new Charon({ socket, timeoutMs: ANSWER_MS, clock, log })
    let closing: Promise<void> | undefined
    const close = () => {
      closing ??= takeDown(charon, name)
      return closing
    }
    try {
      await charon.use({ id: name, items: () => items })
      await initiate(socket, { name, setupTimeoutMs, clock, signal })
      const sa = await charon.find(path)
      if (sa === undefined)
        throw new BurrowError('IPSEC_REFUSED', 'an SA came up, and does not carry L2TP to this peer')
      return { protection: sa.protection, lost: lossOf(charon, path, sa, clock), close }
    } catch (error) {
      await close()
      throw signal.aborted ? new BurrowError('DIAL_FAILED', 'given up before the call was up') : error
    }
  }

function itemsOf(
  { psk, certificates, ike, mode, gateway, localId, remoteId: wantedId }: Options,
  { local, remote }: Path,
  name: string,
  log: Parameters<ProtectCalls>[1]['log'],
): readonly Item[] {
  // What is between the two ends otherwise is dropped: once the SA is gone, nothing goes on in the clear.
  const hold = holdItem({ local, remote })
  const peer = gateway ?? remote.address
  // IKEv2 looks for the key before the peer has said who it is.
  const remoteId = wantedId ?? (psk !== undefined && ike === '2' ? peer : undefined)
  const ends = mode === 'transport' ? ['dynamic', 'dynamic'] : [local.address, remote.address]
  const connection: ConnectionOptions = {
    name,
    ike,
    mode,
    auth: psk === undefined ? 'certificate' : 'psk',
    // In tunnel mode that is an address inside; charon knows which is outside.
    ...(mode === 'transport' ? { localAddresses: [local.address] } : {}),
    remoteAddresses: [peer],
    ...(localId === undefined ? {} : { localId }),
    ...(remoteId === undefined ? {} : { remoteId }),
    localSelectors: [`${ends[0]}[udp/${local.port}]`],
    remoteSelectors: [`${ends[1]}[udp/${remote.port}]`],
    ikeProposals: [...IKE_PROPOSALS],
    espProposals: [...ESP_PROPOSALS],
    dpdDelayS: 30,
    forceUdp: false,
  }
  if (psk !== undefined) {
    const secret = secretItem(`burrow-psk-${name}`, { psk, peers: [remoteId ?? peer] })
    return [secret, connectionItem(connection, { dials: true }), hold]
  }
  const {
    cert = '',
    key = '',
    ca = '',
  } = readTlsFiles(certificates ?? {}, {
    configDir: '.',
    log,
    code: 'IPSEC_CONFIG',
  })
  return [
    { id: `burrow-key-${name}`, kind: 'key', message: { type: 'any', data: key } },
    connectionItem(connection, { dials: true, certificates: [cert], authorities: [ca] }),
    hold,
  ]
}

interface Initiation {
  readonly name: string
  readonly setupTimeoutMs: number
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** By a connection of its own, which waits as long as it takes, and is closed where nobody waits any more. */
async function initiate(socket: string, { name, setupTimeoutMs, clock, signal }: Initiation): Promise<void> {
  const vici = await Vici.connect({ path: socket, clock, timeoutMs: ANSWER_MS })
  const giveUp = () => vici.close('given up')
  signal.addEventListener('abort', giveUp)
  if (signal.aborted) giveUp()
  try {
    const message = {
      child: CHILD,
      ike: connectionName(name),
      timeout: String(setupTimeoutMs),
      loglevel: '-1',
    }
    const { success, errmsg } = await vici.request('initiate', message, setupTimeoutMs + ANSWER_MS)
    if (success !== 'yes') throw new BurrowError('IPSEC_REFUSED', String(errmsg ?? 'no SA came up'))
  } finally {
    signal.removeEventListener('abort', giveUp)
    vici.close()
  }
}

function lossOf(charon: Charon, path: Path, { protection }: Sa, clock: Clock): Promise<string> {
  return new Promise(resolve => {
    let timer: TimerHandle | undefined
    charon.onChange(() => {
      const carried = charon.sas.find(path, protection.identity) !== undefined
      if (carried || charon.isClosed) {
        timer?.cancel()
        timer = undefined
      } else
        timer ??= clock.setTimer(GRACE_MS, () =>
          resolve(`${charon.isUp ? 'its IPsec SA' : 'charon'} is gone, for ${GRACE_MS} ms`),
        )
    })
  })
}

async function takeDown(charon: Charon, name: string): Promise<void> {
  const message = { ike: connectionName(name), timeout: String(TERMINATE_MS), loglevel: '-1' }
  // There may be none.
  await charon.request('terminate', message, TERMINATE_MS + ANSWER_MS).catch(() => {})
  await charon.close()
}
