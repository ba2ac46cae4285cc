/** Schemas as trees: what one knows of the value at a path, and which values it marks as secrets. */
import { type ZodType, z } from 'zod'

/** The keys that lead to a value, from the top of a file or of the options: `['pools', 0, 'name']`. */
export type ValuePath = readonly PropertyKey[]

/** What of a JSON Schema is of use here. `secret` is from `.meta({ secret: true })`. */
export interface SchemaNode {
  readonly properties?: Readonly<Record<string, SchemaNode>>
  readonly additionalProperties?: SchemaNode | boolean
  readonly items?: SchemaNode
  readonly prefixItems?: readonly SchemaNode[]
  readonly anyOf?: readonly SchemaNode[]
  readonly oneOf?: readonly SchemaNode[]
  readonly allOf?: readonly SchemaNode[]
  readonly $ref?: string
  readonly $defs?: Readonly<Record<string, SchemaNode>>
  readonly secret?: unknown
}

/** Everything that the schema says of the value at `path`; nothing where it cannot be drawn as a tree. */
export function nodesAt(schema: ZodType, path: ValuePath): readonly SchemaNode[] {
  const root = treeOf(schema)
  return path.reduce<readonly SchemaNode[]>(
    (nodes, key) => nodes.flatMap(node => spread(root, below(node, key))),
    spread(root, root),
  )
}

/** Whether the schema marks the value at `path`, or one that it is in, with `.meta({ secret: true })`. */
export const isMarkedSecret = (schema: ZodType, path: ValuePath): boolean =>
  [...path.keys(), path.length].some(length =>
    nodesAt(schema, path.slice(0, length)).some(({ secret }) => secret === true),
  )

/** The texts in `value` that the schema marks as secrets, each with its path. */
export function markedSecrets(
  schema: ZodType,
  value: unknown,
): readonly { readonly path: ValuePath; readonly text: string }[] {
  const root = treeOf(schema)
  const walk = (nodes: readonly SchemaNode[], inner: unknown, path: ValuePath, marked: boolean): Found => {
    const secret = marked || nodes.some(node => node.secret === true)
    if (typeof inner !== 'object' || inner === null)
      return secret && inner !== null && inner !== undefined ? [{ path, text: String(inner) }] : []
    const entries = Array.isArray(inner) ? [...inner.entries()] : Object.entries(inner)
    return entries.flatMap(([key, item]) => {
      const next = nodes.flatMap(node => spread(root, below(node, key)))
      return walk(next, item, [...path, key], secret)
    })
  }
  return walk(spread(root, root), value, [], false)
}

type Found = readonly { readonly path: ValuePath; readonly text: string }[]

/** Each is drawn once: a file may have a fault on every line. */
const drawn = new WeakMap<ZodType, SchemaNode>()

function treeOf(schema: ZodType): SchemaNode {
  const tree = drawn.get(schema) ?? draw(schema)
  drawn.set(schema, tree)
  return tree
}

/** A plugin may have made it with another zod, whose schemas ours cannot draw. */
function draw(schema: ZodType): SchemaNode {
  try {
    return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'inline' }) as SchemaNode
  } catch {
    return {}
  }
}

/** The node with all that it refers to and its alternatives. */
function spread(
  root: SchemaNode,
  node: SchemaNode | undefined,
  seen: readonly SchemaNode[] = [],
): SchemaNode[] {
  if (node === undefined || seen.includes(node)) return []
  const { anyOf = [], oneOf = [], allOf = [], $ref } = node
  const referred = $ref === undefined ? [] : [referredBy(root, $ref)]
  const more = [...anyOf, ...oneOf, ...allOf, ...referred]
  return [node, ...more.flatMap(one => spread(root, one, [...seen, node]))]
}

const referredBy = (root: SchemaNode, ref: string): SchemaNode | undefined =>
  ref === '#' ? root : root.$defs?.[ref.replace('#/$defs/', '')]

function below(node: SchemaNode, key: PropertyKey): SchemaNode | undefined {
  if (typeof key === 'number') return node.prefixItems?.[key] ?? node.items
  const { properties, additionalProperties } = node
  if (properties !== undefined && Object.hasOwn(properties, key)) return properties[String(key)]
  return typeof additionalProperties === 'object' ? additionalProperties : undefined
}
