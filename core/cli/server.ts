/** What only commands of the server need. It takes a third of a second to load, which the others save. */
export type { ConfigFile, LoadedConfig } from '../runtime/config-file.ts'
export { loadConfig } from '../runtime/config-file.ts'
export { configJsonSchema } from '../runtime/config-schema.ts'
export { controlSocketPath } from '../runtime/control-socket-path.ts'
export { Lns } from '../runtime/lns.ts'
