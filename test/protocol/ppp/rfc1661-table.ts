/** RFC 1661 section 4.1 as printed there, kept apart from the code's own table. */
const INITIAL_TO_STOPPING = `
      | State
      |    0         1         2         3         4         5
Events| Initial   Starting  Closed    Stopped   Closing   Stopping
------+-----------------------------------------------------------
 Up   |    2     irc,scr/6     -         -         -         -
 Down |    -         -         0       tls/1       0         1
 Open |  tls/1       1     irc,scr/6     3r        5r        5r
 Close|    0       tlf/0       2         2         4         4
      |
  TO+ |    -         -         -         -       str/4     str/5
  TO- |    -         -         -         -       tlf/2     tlf/3
      |
 RCR+ |    -         -       sta/2 irc,scr,sca/8   4         5
 RCR- |    -         -       sta/2 irc,scr,scn/6   4         5
 RCA  |    -         -       sta/2     sta/3       4         5
 RCN  |    -         -       sta/2     sta/3       4         5
      |
 RTR  |    -         -       sta/2     sta/3     sta/4     sta/5
 RTA  |    -         -         2         3       tlf/2     tlf/3
      |
 RUC  |    -         -       scj/2     scj/3     scj/4     scj/5
 RXJ+ |    -         -         2         3         4         5
 RXJ- |    -         -       tlf/2     tlf/3     tlf/2     tlf/3
      |
 RXR  |    -         -         2         3         4         5
`

const REQ_SENT_TO_OPENED = `
      | State
      |    6         7         8           9
Events| Req-Sent  Ack-Rcvd  Ack-Sent    Opened
------+-----------------------------------------
 Up   |    -         -         -           -
 Down |    1         1         1         tld/1
 Open |    6         7         8           9r
 Close|irc,str/4 irc,str/4 irc,str/4 tld,irc,str/4
      |
  TO+ |  scr/6     scr/6     scr/8         -
  TO- | tlf/3p    tlf/3p    tlf/3p         -
      |
 RCR+ |  sca/8   sca,tlu/9   sca/8   tld,scr,sca/8
 RCR- |  scn/6     scn/7     scn/6   tld,scr,scn/6
 RCA  |  irc/7     scr/6x  irc,tlu/9   tld,scr/6x
 RCN  |irc,scr/6   scr/6x  irc,scr/8   tld,scr/6x
      |
 RTR  |  sta/6     sta/6     sta/6   tld,zrc,sta/5
 RTA  |    6         6         8       tld,scr/6
      |
 RUC  |  scj/6     scj/7     scj/8       scj/9
 RXJ+ |    6         6         8           9
 RXJ- |  tlf/3     tlf/3     tlf/3   tld,irc,str/5
      |
 RXR  |    6         7         8         ser/9
`

/** One cell as printed, without the letter of its footnote. */
export interface Rfc1661Cell {
  readonly state: string
  readonly event: string
  /** Undefined for a dash. */
  readonly transition?: { readonly next: string; readonly actions: readonly string[] }
}

export const RFC1661_STATES = [
  'initial',
  'starting',
  'closed',
  'stopped',
  'closing',
  'stopping',
  'req-sent',
  'ack-rcvd',
  'ack-sent',
  'opened',
] as const

export function rfc1661Cells(): readonly Rfc1661Cell[] {
  return [...readTable(INITIAL_TO_STOPPING, 0), ...readTable(REQ_SENT_TO_OPENED, 6)]
}

function readTable(text: string, firstState: number): Rfc1661Cell[] {
  const rows = text.split('\n').map(line => line.split('|'))
  return rows.flatMap(([label = '', cells = '']) => {
    const event = label.trim()
    if (!/^(Up|Down|Open|Close|TO[+-]|R[A-Z]{2}[+-]?)$/.test(event)) return []
    return cells
      .trim()
      .split(/\s+/)
      .map((cell, column) => readCell(cell, event, RFC1661_STATES[firstState + column] ?? ''))
  })
}

function readCell(text: string, event: string, state: string): Rfc1661Cell {
  if (text === '-') return { state, event }
  const [, actions, next] = /^(?:([a-z,]+)\/)?(\d)[rpx]?$/.exec(text) ?? []
  if (next === undefined) throw new Error(`cell ${text} of ${event} in ${state}`)
  return {
    state,
    event,
    transition: { next: RFC1661_STATES[Number(next)] ?? '', actions: actions?.split(',') ?? [] },
  }
}
