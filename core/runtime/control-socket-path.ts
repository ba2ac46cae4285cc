/** Where a config has the control socket, without the rest of it: one looks at a server also while its config is being edited. */
import { isScalar, parseDocument } from 'yaml'
import { DEFAULT_CONTROL_SOCKET } from './node/control-socket.ts'
import { besides, readText } from './node/files.ts'

/** Undefined where it stands in another file or variable: then the whole config must be read. Loads no plugin, needs no secret. */
export function controlSocketPath(file: string): string | undefined {
  const document = parseDocument(readText(file), { logLevel: 'silent' })
  const node: unknown = document.get('controlSocket', true)
  if (node === undefined) return document.has('controlSocket') ? undefined : DEFAULT_CONTROL_SOCKET
  const isPlain = isScalar(node) && typeof node.value === 'string' && !node.tag?.startsWith('!')
  return isPlain ? besides(file, String(node.value)) : undefined
}
