/** Dense flow ids, smallest free first: they index counters. A generation tells one owner of a slot from the next. */

export interface FlowSlotsState {
  /** Generation of the slot's present or last owner. */
  readonly generations: number[]
  /** Session key of the present owner; '' where the slot is free. */
  readonly owners: string[]
  /** No slot below this is free. */
  lowest: number
  /** How many have an owner. */
  taken: number
}

export function createFlowSlots(): FlowSlotsState {
  return { generations: [], owners: [], lowest: 0, taken: 0 }
}

export function takeFlowSlot(slots: FlowSlotsState, owner: string): { id: number; generation: number } {
  let id = slots.lowest
  while ((slots.owners[id] ?? '') !== '') id++
  const generation = (slots.generations[id] ?? 0) + 1
  slots.generations[id] = generation
  slots.owners[id] = owner
  slots.lowest = id + 1
  slots.taken++
  return { id, generation }
}

/** Session key of the owner, if the slot still has that generation. */
export function flowOwner(slots: FlowSlotsState, id: number, generation: number): string | undefined {
  return slots.generations[id] === generation ? slots.owners[id] : undefined
}

export function releaseFlowSlot(slots: FlowSlotsState, id: number): void {
  slots.owners[id] = ''
  slots.taken--
  slots.lowest = Math.min(slots.lowest, id)
}
