/** The config as a JSON Schema, with the options of our own plugins, for completion in editors. */
import { z } from 'zod'
import { BUILT_IN, importBuiltIn } from '../plugin/builtin.ts'
import { DeploymentConfig } from './deployment-config.ts'
import { ServerConfig } from './server-config.ts'

type JsonSchema = Readonly<Record<string, unknown>>

const toSchema = (schema: z.ZodType): JsonSchema => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input' })
  return rest
}

/** npm packages and files: their own schemas are known once they are loaded. */
const NOT_OURS = `^(?!(${[...BUILT_IN, 'deployment'].join('|')})$)`
const ELSEWHERE: readonly JsonSchema[] = [
  { type: 'string', pattern: NOT_OURS },
  {
    type: 'object',
    minProperties: 1,
    maxProperties: 1,
    propertyNames: { type: 'string', pattern: NOT_OURS },
    additionalProperties: { anyOf: [{ type: 'object' }, { type: 'null' }] },
  },
]

/** What `burrow check --schema` prints. */
export async function configJsonSchema(): Promise<JsonSchema> {
  const base = toSchema(ServerConfig)
  const properties = base.properties as Readonly<Record<string, JsonSchema>>
  const plugin = [{ enum: BUILT_IN }, ...(await Promise.all(BUILT_IN.map(pluginSchema))), ...ELSEWHERE]
  const deployment = toSchema(DeploymentConfig)
  const grouped = {
    ...(deployment.properties as JsonSchema),
    plugins: { type: 'array', items: { anyOf: plugin } },
  }
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Burrow server config',
    ...base,
    properties: {
      ...properties,
      plugins: {
        ...properties.plugins,
        items: { anyOf: [...plugin, only('deployment', { ...deployment, properties: grouped })] },
      },
    },
  }
}

async function pluginSchema(name: string): Promise<JsonSchema> {
  const schema = toSchema((await importBuiltIn(name)).config)
  const options = {
    ...schema,
    properties: {
      ...(schema.properties as JsonSchema | undefined),
      as: {
        type: 'string',
        pattern: '^[\\w.-]{1,64}$',
        description: 'What it is called, where a plugin is listed more than once. Default: its own name.',
      },
      onUnavailable: {
        enum: ['reject', 'next'],
        description: 'Whether the next authenticator is asked when this one cannot answer. Default: reject.',
      },
    },
  }
  return only(name, { anyOf: [options, { type: 'null' }] })
}

const only = (key: string, value: JsonSchema): JsonSchema => ({
  type: 'object',
  required: [key],
  additionalProperties: false,
  properties: { [key]: value },
})
