import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** Who holds a UDP port over IPv4, as `xl2tpd (pid 812)`; undefined where /proc does not say. */
export function portOwner(port: number): string | undefined {
  const sockets = new Set(inodes(port).map(inode => `socket:[${inode}]`))
  if (sockets.size === 0) return undefined
  for (const pid of read(() => readdirSync('/proc')) ?? []) {
    if (!/^\d+$/.test(pid)) continue
    const fds = read(() => readdirSync(`/proc/${pid}/fd`)) ?? []
    const holds = fds.some(fd => sockets.has(read(() => readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? ''))
    if (holds)
      return `${read(() => readFileSync(`/proc/${pid}/comm`, 'utf8').trim()) ?? 'a program'} (pid ${pid})`
  }
  return undefined
}

/** proc(5), /proc/net/udp: the second column is address:port in hexadecimal, the tenth the inode. */
function inodes(port: number): readonly string[] {
  const lines = read(() => readFileSync('/proc/net/udp', 'utf8').split('\n')) ?? []
  return lines.flatMap(line => {
    const columns = line.trim().split(/\s+/)
    const [localPort, inode] = [columns[1]?.split(':')[1], columns[9]]
    return localPort !== undefined && inode !== undefined && Number.parseInt(localPort, 16) === port
      ? [inode]
      : []
  })
}

/** Processes come and go while we look, and some may not be looked at. */
function read<T>(act: () => T): T | undefined {
  try {
    return act()
  } catch {
    return undefined
  }
}
