/** Why input was ignored: a closed set, so that counters and log lines are bounded. */
export const DROP_REASONS = {
  truncated: 'shorter than its header',
  'bad-version': 'not L2TP version 2',
  l2tpv3: 'L2TP version 3, which Burrow does not speak',
  'bad-length': 'the length field disagrees with the datagram',
  'bad-flags': 'a control message without length or sequence numbers',
  'bad-avp': 'AVPs that cannot be read, before any tunnel',
  'unknown-tunnel': 'no tunnel has this id',
  'unknown-session': 'no session has this id',
  'wrong-source': 'the tunnel belongs to another address or port',
  'not-sccrq': 'tunnel id 0 in anything but SCCRQ or StopCCN',
  'half-open-limit': 'too many half-open tunnels',
  'tie-won': 'the peer opened a tunnel while ours was on its way, and ours won the tie',
  amplification: 'not sent: the address has not proved itself and had its share',
  duplicate: 'already seen, acknowledged again',
  'out-of-window': 'a sequence number beyond the receive window, or a message too long to wait for its turn',
  'bad-ack': 'acknowledges what was never sent',
  'ignored-message': 'a message that may be ignored',
  'early-ppp': 'a PPP frame before the call was connected',
  closed: 'the tunnel or session is closing',
  'ppp-malformed': 'a PPP frame, packet or option list whose lengths or values are impossible',
  'ppp-oversized': 'a PPP control packet larger than any MRU that was agreed',
  'ppp-phase': 'a PPP protocol whose phase has not come, or has passed',
  'ppp-auth-not-negotiated': 'an authentication protocol, or a role in it, that LCP did not agree',
  'ppp-stale': 'a PPP identifier that answers nothing outstanding',
  'ppp-looped': 'our own magic number came back',
} as const

/** Why input was ignored. */
export type ProtocolDrop = keyof typeof DROP_REASONS
