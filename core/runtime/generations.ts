/**
 * Which generation of the config, and which of its deployments, serves a tunnel or a call. A reload makes a new one: what
 * begins from then on is bound to it, what lives keeps its own until it ends or is moved.
 */
import { type CallFacts, type Deployment, deploymentOf, deploymentsFor } from '../plugin/deployment.ts'
import type { PluginHost } from '../plugin/host.ts'
import type { Grant, SessionInfo, TunnelInfo } from '../protocol/outputs.ts'

/** What one reading of the config came to. */
export interface Generation {
  /** 1, 2, ... */
  readonly number: number
  readonly host: PluginHost
  readonly deployments: readonly Deployment[]
  /** Zone of a policy whose grant names none. */
  readonly defaultZone: string
  /** Between accounting updates of a session; 0: none. */
  readonly interimIntervalS: number
}

/** How a user came in: what a later look at the right to stay starts from. */
export interface Login {
  /** As the peer gave it. */
  readonly user: string
  /** Identity of the plugin that accepted it. */
  readonly plugin: string
  /** Before `authorize`. */
  readonly grant: Grant
}

export interface Binding {
  readonly generation: Generation
  /** Undefined: of none, the plugins outside of all deployments serve it. */
  deployment: string | undefined
  login?: Login
}

interface Uses {
  readonly generation: Generation
  tunnels: number
  sessions: number
  /** By whoever still tells its plugins something. */
  holds: number
}

export class Generations {
  readonly #uses: Uses[]
  readonly #tunnels = new Map<string, Binding>()
  readonly #sessions = new Map<string, Binding>()
  readonly #onUnused: (generation: Generation) => void

  /** `onUnused` is told of each generation that serves nothing any more and never will. */
  constructor(first: Generation, onUnused: (generation: Generation) => void) {
    this.#uses = [{ generation: first, tunnels: 0, sessions: 0, holds: 0 }]
    this.#onUnused = onUnused
  }

  get current(): Generation {
    return (this.#uses.at(-1) as Uses).generation
  }

  /** All that live, the oldest first. */
  get living(): readonly Readonly<Uses>[] {
    return this.#uses
  }

  /** What begins from now on is served by `generation`. */
  begin(generation: Generation): void {
    this.#uses.push({ generation, tunnels: 0, sessions: 0, holds: 0 })
    for (const uses of [...this.#uses]) this.#dropUnused(uses)
  }

  /** Keeps a generation from being unused until the function that it returns is called. */
  hold(generation: Generation): () => void {
    const uses = this.#uses.find(one => one.generation === generation)
    if (uses === undefined) return () => {}
    uses.holds++
    return () => {
      uses.holds--
      this.#dropUnused(uses)
    }
  }

  ofTunnel({ key }: TunnelInfo): Binding {
    return this.#tunnels.get(key) ?? this.#bind(this.#tunnels, key, 'tunnels')
  }

  ofSession({ id }: SessionInfo): Binding {
    return this.#sessions.get(id) ?? this.#bind(this.#sessions, id, 'sessions')
  }

  /** The deployment of a live session. */
  deploymentOf({ id }: SessionInfo): string | undefined {
    return this.#sessions.get(id)?.deployment
  }

  /** Binds what lives to the current generation; what is gone by now stays gone. */
  move(subject: TunnelInfo | SessionInfo, deployment: string | undefined, login?: Login): void {
    const isBound = 'tunnel' in subject ? this.#sessions.has(subject.id) : this.#tunnels.has(subject.key)
    if (!isBound) return
    this.over(subject)
    const binding = 'tunnel' in subject ? this.ofSession(subject) : this.ofTunnel(subject)
    binding.deployment = deployment
    if (login !== undefined) binding.login = login
  }

  /** A tunnel or session is gone. */
  over(subject: TunnelInfo | SessionInfo): void {
    const [bindings, key, kind] =
      'tunnel' in subject
        ? ([this.#sessions, subject.id, 'sessions'] as const)
        : ([this.#tunnels, subject.key, 'tunnels'] as const)
    const binding = bindings.get(key)
    if (binding === undefined) return
    bindings.delete(key)
    const uses = this.#uses.find(({ generation }) => generation === binding.generation)
    if (uses === undefined) return
    uses[kind]--
    this.#dropUnused(uses)
  }

  #bind(bindings: Map<string, Binding>, key: string, kind: 'tunnels' | 'sessions'): Binding {
    const uses = this.#uses.at(-1) as Uses
    uses[kind]++
    const binding: Binding = { generation: uses.generation, deployment: undefined }
    bindings.set(key, binding)
    return binding
  }

  #dropUnused(uses: Uses): void {
    if (uses.generation === this.current || uses.tunnels + uses.sessions + uses.holds > 0) return
    const at = this.#uses.indexOf(uses)
    if (at < 0) return
    this.#uses.splice(at, 1)
    this.#onUnused(uses.generation)
  }
}

/** The deployment that takes a call, by what is known of it: its user not before it gave a name. */
export function deploymentFor({ deployments }: Generation, tunnel: TunnelInfo, user?: string) {
  if (deployments.length === 0) return undefined
  return deploymentOf(deployments, { ...factsOf(tunnel), ...(user === undefined ? {} : { user }) })
}

/** What those who may come by this tunnel can be verified by; undefined: by whatever there is. */
export function verifiableBy({ deployments, host }: Generation, tunnel: TunnelInfo) {
  return host.verifies(deploymentsFor(deployments, factsOf(tunnel)))
}

function factsOf({ path, peerHostName, secretName }: TunnelInfo): CallFacts {
  return {
    peerAddress: path.remote.address,
    peerHostName,
    ...(secretName === undefined ? {} : { secretName }),
  }
}
