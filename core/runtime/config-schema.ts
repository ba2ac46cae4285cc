/** The config as a JSON Schema, with the options of our own plugins, for completion in editors. */
import { z } from 'zod'
import { BUILT_IN, importBuiltIn } from '../plugin/builtin.ts'
import { ServerConfig } from './server-config.ts'

type JsonSchema = Readonly<Record<string, unknown>>

const toSchema = (schema: z.ZodType): JsonSchema => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input' })
  return rest
}

/** What `burrow check --schema` prints. */
export async function configJsonSchema(): Promise<JsonSchema> {
  const base = toSchema(ServerConfig)
  const properties = base.properties as Readonly<Record<string, JsonSchema>>
  const withOptions = await Promise.all(BUILT_IN.map(pluginSchema))
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Burrow server config',
    ...base,
    properties: {
      ...properties,
      plugins: { ...properties.plugins, items: { anyOf: [{ enum: BUILT_IN }, ...withOptions] } },
    },
  }
}

async function pluginSchema(name: string): Promise<JsonSchema> {
  const schema = toSchema((await importBuiltIn(name)).config)
  const options = {
    ...schema,
    properties: {
      ...(schema.properties as JsonSchema | undefined),
      onUnavailable: {
        enum: ['reject', 'next'],
        description: 'Whether the next authenticator is asked when this one cannot answer. Default: reject.',
      },
    },
  }
  return {
    type: 'object',
    required: [name],
    additionalProperties: false,
    properties: { [name]: { anyOf: [options, { type: 'null' }] } },
  }
}
