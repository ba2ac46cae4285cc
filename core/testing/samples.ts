/** Tunnels, sessions and their ends, for tests that need any; a folder for what they write. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FlowCounters } from '../flow.ts'
import type { SessionDown } from '../hooks/views.ts'
import type { Path } from '../ports.ts'
import type { SessionInfo, TunnelInfo } from '../protocol/outputs.ts'
import type { TestScope } from './scope.ts'

/** The tunnel of a peer that calls itself LAC, from 1.1.1.1 to 2.2.2.2 unless `path` says otherwise. */
export function aTunnel(path: Path = PATH): TunnelInfo {
  return {
    key: `${path.local.address}/1`,
    role: 'lns',
    path,
    localTunnelId: 1,
    peerTunnelId: 1,
    peerHostName: 'LAC',
  }
}

const PATH: Path = {
  local: { address: '2.2.2.2', port: 1701 },
  remote: { address: '1.1.1.1', port: 50_000 },
}
let sessions = 0

/** A call in such a tunnel; each has another key and id. `more` replaces fields: `aSession({ user: 'hb@hb' })`. */
export function aSession(more: Partial<SessionInfo> = {}): SessionInfo {
  const localSessionId = ++sessions
  return {
    key: `2.2.2.2/1/${localSessionId}`,
    id: localSessionId.toString(16).padStart(16, '0'),
    tunnel: aTunnel(),
    localSessionId,
    peerSessionId: 77,
    callSerialNumber: 1,
    ...more,
  }
}

/** The counters of a session that has carried nothing. */
export const NO_TRAFFIC: FlowCounters = {
  packetsIn: 0n,
  octetsIn: 0n,
  packetsOut: 0n,
  octetsOut: 0n,
  drops: {},
}

/**
 * All that observers are told of a session: what `sessionDown` gets, of which `sessionUp` and `sessionUpdate` get a part.
 * `more` replaces fields: `anEnd(session, { reason: { cause: 'idle-timeout' } })`.
 */
export function anEnd(session: SessionInfo, more: Partial<SessionDown> = {}): SessionDown {
  const user = session.user ?? 'hb@hb'
  return {
    session,
    grant: { user },
    leases: [],
    network: { localAddress: '172.16.1.1', peerAddress: '172.16.1.51', dns: [], nbns: [], mtuBytes: 1500 },
    counters: NO_TRAFFIC,
    durationMs: 0,
    reason: { cause: 'peer-hangup' },
    ...more,
  }
}

/** An empty folder that is gone after the test. */
export function aFolder(t: TestScope): string {
  const folder = mkdtempSync(join(tmpdir(), 'burrow-test-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
