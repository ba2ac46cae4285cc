import { DEFAULT_CONTROL_SOCKET } from '../runtime/node/control-socket.ts'

interface WhichServer {
  readonly config?: string | undefined
  readonly socket?: string | undefined
}

/** The control socket of the server that the options of a command name. */
export async function controlSocketOf({ config, socket }: WhichServer): Promise<string> {
  if (socket !== undefined) return socket
  if (config === undefined) return DEFAULT_CONTROL_SOCKET
  const { controlSocketPath, loadConfig } = await import('./server.ts')
  return plainPath(() => controlSocketPath(config)) ?? (await loadConfig(config)).server.controlSocket
}

/** Whatever is wrong with the file, the loader says it with its line. */
function plainPath(read: () => string | undefined): string | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
