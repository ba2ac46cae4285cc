/** placeholder until the config side lands */
import type { ErrorPlace } from '../errors.ts'

export interface Deployment {
  readonly name: string
  readonly place: ErrorPlace
}

export interface CallFacts {
  readonly peerAddress: string
  readonly peerHostName: string
  readonly secretName?: string
  readonly user?: string
}

export function deploymentOf(_deployments: readonly Deployment[], _facts: CallFacts): string | undefined {
  return undefined
}
