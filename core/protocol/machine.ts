/** Finite machines as total tables: every state answers every event, or the table does not compile. */

/** The next state and what to do on the way; '-' where the event cannot happen. */
export type Cell<State extends string, Action extends string> =
  | readonly [next: State, ...actions: Action[]]
  | '-'

export type Table<State extends string, Event extends string, Action extends string> = Readonly<
  Record<State, Readonly<Record<Event, Cell<State, Action>>>>
>

/**
 * Assigns the next state, then performs the actions in order. Returns false, and does nothing, where the table
 * says that the event cannot happen. `perform` must not step the same machine.
 */
export function step<State extends string, Event extends string, Action extends string>(
  table: Table<State, Event, Action>,
  machine: { state: State },
  event: Event,
  perform: (action: Action) => void,
): boolean {
  const cell = table[machine.state][event]
  if (cell === '-') return false
  const [next, ...actions]: readonly [State, ...Action[]] = cell
  machine.state = next
  for (const action of actions) perform(action)
  return true
}
