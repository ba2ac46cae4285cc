/** The options by which `burrow connect` dials inside of IPsec. */
import { type Command, Option } from 'commander'
import { BurrowError } from '../../errors.ts'
import { importProtectCalls } from '../../plugin/builtin.ts'
import type { IpsecDialOptions, ProtectCall } from '../../plugin/call-protection.ts'
import type { Clock, Logger, Milliseconds } from '../../ports.ts'
import { readSecret } from '../secret.ts'

export interface IpsecOptions {
  readonly ipsecPskFile?: string
  readonly ipsecPskEnv?: string
  readonly ipsecCert?: string
  readonly ipsecKey?: string
  readonly ipsecCa?: string
  readonly ipsecIke: '1' | '2'
  readonly ipsecMode: 'transport' | 'tunnel'
  readonly ipsecGateway?: string
  readonly ipsecId?: string
  readonly ipsecPeerId?: string
  readonly ipsecSocket?: string
}

export function addIpsecOptions(command: Command): Command {
  return command
    .option(
      '--ipsec-psk-file <file>',
      'dial inside of IPsec (strongSwan): the pre-shared key is its first line',
    )
    .option('--ipsec-psk-env <variable>', 'the same, of a variable')
    .option(
      '--ipsec-cert <file>',
      'the same by certificates: ours, in PEM; --ipsec-key and --ipsec-ca beside it',
    )
    .option('--ipsec-key <file>', 'its key')
    .option('--ipsec-ca <file>', "whose certificates the peer's may be")
    .addOption(new Option('--ipsec-ike <version>', 'version of IKE').choices(['1', '2']).default('1'))
    .addOption(
      new Option('--ipsec-mode <mode>', 'of ESP').choices(['transport', 'tunnel']).default('transport'),
    )
    .option('--ipsec-gateway <address>', 'the other end of IPsec, where it is not the LNS')
    .option('--ipsec-id <identity>', 'who we are to IKE; else our address, or the certificate')
    .option(
      '--ipsec-peer-id <identity>',
      'who the peer must be; else whoever proves it, and by IKEv2 with a key its address',
    )
    .option('--ipsec-socket <path>', "charon's VICI socket")
}

/** How the call is to be carried; undefined: in the clear. */
export async function ipsecFor(
  options: IpsecOptions,
  setupTimeoutMs: Milliseconds,
  warn: (text: string) => void,
  world: { readonly clock: Clock; readonly log: Logger },
): Promise<ProtectCall | undefined> {
  const { ipsecPskFile, ipsecPskEnv, ipsecCert, ipsecKey, ipsecCa } = options
  const psk = readSecret('ipsec-psk', { file: ipsecPskFile, env: ipsecPskEnv }, warn)
  const files = [ipsecCert, ipsecKey, ipsecCa].filter(file => file !== undefined)
  if (psk === undefined && files.length === 0) {
    const beside = Object.keys(options).find(name => /^ipsec(Gateway|Id|PeerId|Socket)$/.test(name))
    if (beside !== undefined)
      throw new BurrowError('USAGE', 'IPsec needs --ipsec-psk-file, --ipsec-psk-env or --ipsec-cert')
    return undefined
  }
  if (psk !== undefined && files.length > 0)
    throw new BurrowError('USAGE', 'IPsec is by a pre-shared key or by certificates, not by both')
  if (psk === undefined && files.length < 3)
    throw new BurrowError('USAGE', 'give --ipsec-cert, --ipsec-key and --ipsec-ca together')
  const { ipsecIke: ike, ipsecMode: mode, ipsecGateway, ipsecId, ipsecPeerId, ipsecSocket } = options
  const dial: IpsecDialOptions = {
    ike,
    mode,
    setupTimeoutMs,
    ...(psk === undefined
      ? { certificates: { certFile: ipsecCert ?? '', keyFile: ipsecKey ?? '', caFile: ipsecCa ?? '' } }
      : { psk }),
    ...(ipsecGateway === undefined ? {} : { gateway: ipsecGateway }),
    ...(ipsecId === undefined ? {} : { localId: ipsecId }),
    ...(ipsecPeerId === undefined ? {} : { remoteId: ipsecPeerId }),
    ...(ipsecSocket === undefined ? {} : { socket: ipsecSocket }),
  }
  return (await importProtectCalls())(dial, world)
}
