/** UDP ports of loopback. */
import { createSocket } from 'node:dgram'

/** One that nobody had a moment ago. */
export function freePort(): Promise<number> {
  return bound(0)
}

export async function isFree(port: number): Promise<boolean> {
  try {
    await bound(port)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false
    throw error
  }
}

/** Binds it and gives it back. */
function bound(wanted: number): Promise<number> {
  const socket = createSocket('udp4')
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(wanted, '127.0.0.1', () => {
      const { port } = socket.address()
      socket.close(() => resolve(port))
    })
  })
}
