/** The dependency container behind capabilities; the only file that knows inversify. */
import { Container, ContainerModule, type ServiceIdentifier } from 'inversify'
import type { Capability } from './capability.ts'

type AnyCapability = Capability<unknown>

/** One plugin as the container sees it: what it asks for, and how it is made of that. */
interface Wiring<T> {
  readonly requires: readonly AnyCapability[]
  make(provide: (capability: AnyCapability, value: unknown) => void, values: readonly unknown[]): T
}

/** Values of capabilities; each plugin is one module, made when it is added, with what stands there by then. */
export class CapabilityContainer {
  readonly #container = new Container()
  readonly #tokens = new Map<string, ServiceIdentifier<unknown>>()

  /** Makes a plugin's value; throws what `make` throws, with nothing of the module left behind. */
  add<T>(name: string, { requires, make }: Wiring<T>): T {
    const self: ServiceIdentifier<T> = Symbol(`plugin ${name}`)
    const provided: [AnyCapability, unknown][] = []
    const module = new ContainerModule(({ bind }) => {
      bind(self)
        .toResolvedValue(
          (...values: unknown[]) => make((capability, value) => provided.push([capability, value]), values),
          requires.map(capability => this.#inject(capability)),
        )
        .inSingletonScope()
    })
    this.#container.load(module)
    const made = this.#container.get<T>(self)
    for (const [capability, value] of provided) {
      this.#container.bind(this.#token(capability)).toConstantValue(value)
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
