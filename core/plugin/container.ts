/** The dependency container behind capabilities; the only file that knows inversify. */
import { Container, ContainerModule, type ServiceIdentifier } from 'inversify'
import type { Capability } from './capability.ts'

type AnyCapability = Capability<unknown>

/** One plugin as the container sees it: what it asks for, and how it is made of that. */
interface Wiring<T> {
  /** Its deployment; undefined: it is outside of all, and what it provides is seen inside of each. */
  readonly deployment: string | undefined
  readonly requires: readonly AnyCapability[]
  make(provide: (capability: AnyCapability, value: unknown) => void, values: readonly unknown[]): T
}

/** Values of capabilities; each plugin is one module, made when it is added, with what stands there by then. */
export class CapabilityContainer {
  /** One for each deployment, and one for the plugins outside of all: a list of `many` is then whole and in order. */
  readonly #scopes: ReadonlyMap<string | undefined, Container>
  readonly #tokens = new Map<string, ServiceIdentifier<unknown>>()

  constructor(deployments: readonly string[]) {
    this.#scopes = new Map([undefined, ...deployments].map(name => [name, new Container()]))
  }

  /** Makes a plugin's value; throws what `make` throws, with nothing of the module left behind. */
  add<T>(id: string, { deployment, requires, make }: Wiring<T>): T {
    const scope = this.#scopes.get(deployment)
    if (scope === undefined) throw new RangeError(`there is no deployment "${deployment}"`)
    const self: ServiceIdentifier<T> = Symbol(`plugin ${id}`)
    const provided: [AnyCapability, unknown][] = []
    const module = new ContainerModule(({ bind }) => {
      bind(self)
        .toResolvedValue(
          (...values: unknown[]) => make((capability, value) => provided.push([capability, value]), values),
          requires.map(capability => this.#inject(capability)),
        )
        .inSingletonScope()
    })
    scope.load(module)
    const made = scope.get<T>(self)
    const seenIn = deployment === undefined ? [...this.#scopes.values()] : [scope]
    for (const [capability, value] of provided) {
      for (const one of seenIn) one.bind(this.#token(capability)).toConstantValue(value)
    }
    return made
  }

  #inject(capability: AnyCapability) {
    const serviceIdentifier = this.#token(capability)
    return capability.arity === 'many'
      ? ({ serviceIdentifier, isMultiple: true, optional: true } as const)
      : serviceIdentifier
  }

  #token({ name }: AnyCapability): ServiceIdentifier<unknown> {
    const token = this.#tokens.get(name) ?? Symbol(`capability ${name}`)
    this.#tokens.set(name, token)
    return token
  }
}
