import type { SessionInfo } from '../../core/protocol/outputs.ts'

/** A call of the peer 198.51.100.7, for tests that need any. */
export const SESSION: SessionInfo = {
  key: '192.0.2.1/1/81',
  id: 'a1',
  tunnel: {
    key: '192.0.2.1/1',
    role: 'lns',
    path: {
      local: { address: '192.0.2.1', port: 1701 },
      remote: { address: '198.51.100.7', port: 40000 },
    },
    localTunnelId: 1,
    peerTunnelId: 2,
    peerHostName: 'phone',
  },
  localSessionId: 81,
  peerSessionId: 77,
  callSerialNumber: 0,
}
