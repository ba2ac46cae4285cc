/** A folder for one process at a time: a socket in it, which the kernel closes with the process, however that ends. */
import { open, readdir, rm } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'

const NAME = /^lock\.(\d+)$/
/** A process that takes the folder at this moment has bound its socket, but may not listen yet. */
const LOOKS = 3

/** Returns how to give it back; undefined when another process has it. Rejects when the folder cannot be used. */
export async function lockFolder(folder: string): Promise<(() => Promise<void>) | undefined> {
  const handle = await open(folder, 'r')
  // The path of a socket may have no more than 107 octets.
  const pathOf = (number: number) => `/proc/self/fd/${handle.fd}/lock.${number}`
  try {
    for (;;) {
      const numbers = (await readdir(folder)).flatMap(name => NAME.exec(name)?.[1] ?? []).map(Number)
      const newest = Math.max(0, ...numbers)
      if (newest > 0 && (await isHeld(pathOf(newest)))) break
      // Each takes the next number, which only one can bind; a dead one is never taken again.
      const server = await listen(pathOf(newest + 1))
      if (server === undefined) continue
      for (const number of numbers) await rm(pathOf(number), { force: true })
      return async () => {
        await rm(pathOf(newest + 1), { force: true })
        await new Promise(resolve => server.close(resolve))
        await handle.close()
      }
    }
  } catch (error) {
    await handle.close()
    throw error
  }
  await handle.close()
  return undefined
}

async function isHeld(path: string): Promise<boolean> {
  for (let look = 0; look < LOOKS; look++) {
    const answer = await new Promise<string>(resolve => {
      const socket = connect(path, () => resolve('held'))
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
      socket.on('connect', () => socket.destroy())
    })
    if (answer !== 'ECONNREFUSED' && answer !== 'ENOENT') return true
  }
  return false
}

function listen(path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer(socket => socket.destroy())
    server.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    )
    server.listen(path, () => resolve(server.unref()))
  })
}
