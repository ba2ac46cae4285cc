/** What stands between a client and a server on loopback, and can fail as networks and servers do. */
import { connect, createServer, type Server, type Socket } from 'node:net'

export interface Relay {
  readonly port: number
  /** How many connections were made so far. */
  readonly connections: () => number
  /** All that clients have sent, one connection after the other as it came. */
  readonly sent: () => Buffer
  /** Everything on it ends, and nothing is accepted. */
  down(): Promise<void>
  /** As before. */
  up(): Promise<void>
  /** Connections stay, new ones are accepted, and nothing goes through any more. */
  hang(): void
  /** Ends what is connected; new connections work. */
  cut(): void
}

export async function startRelay(
  t: { after(close: () => Promise<void>): void },
  toPort: number,
): Promise<Relay> {
  const sockets = new Set<Socket>()
  let hanging = false
  let connections = 0
  const sent: Buffer[] = []
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    return socket
  }
  const accept = (client: Socket) => {
    connections++
    keep(client)
    if (hanging) return client.resume()
    const server = keep(connect(toPort, '127.0.0.1'))
    client.on('data', bytes => {
      sent.push(bytes)
      if (!hanging) server.write(bytes)
    })
    server.on('data', bytes => hanging || client.write(bytes))
    client.on('close', () => server.destroy())
    server.on('close', () => client.destroy())
    return client
  }
  const listen = (port: number) =>
    new Promise<Server>((resolve, reject) => {
      const server = createServer(accept)
      server.once('error', reject)
      server.listen(port, '127.0.0.1', () => resolve(server))
    })
  let server: Server | undefined = await listen(0)
  const { port } = server.address() as { readonly port: number }
  const relay: Relay = {
    port,
    connections: () => connections,
    sent: () => Buffer.concat(sent),
    cut: () => {
      for (const socket of sockets) socket.destroy()
    },
    hang: () => {
      hanging = true
    },
    async down() {
      const closing = server
      server = undefined
      const closed = new Promise<void>(resolve =>
        closing === undefined ? resolve() : closing.close(() => resolve()),
      )
      relay.cut()
      await closed
    },
    async up() {
      hanging = false
      server ??= await listen(port)
    },
  }
  t.after(() => relay.down())
  return relay
}
