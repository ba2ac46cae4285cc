/** An allocator as one of another language might be written, over the JSON of docs/hooks-json.md. */

export interface LeaseCall {
  readonly hook: string
  readonly id: string
  readonly lease?: { readonly value: string; readonly id: string }
}

/** The id of the lease of each address. */
export type Leases = Record<string, string>

export function answerLease(leases: Leases, count: number, { hook, id, lease }: LeaseCall): unknown {
  if (hook === 'assignAddress') {
    const free = Array.from({ length: count }, (_, index) => `10.0.0.${index + 1}`).find(
      one => !(one in leases),
    )
    if (free === undefined) return { kind: 'refuse', reason: 'none is free' }
    leases[free] = id
    return { kind: 'lease', value: free, id }
  }
  if (lease === undefined) return null
  const holder = leases[lease.value]
  if (hook === 'resumeLease') {
    leases[lease.value] ??= lease.id
    return holder === undefined || holder === lease.id
  }
  if (holder === lease.id) delete leases[lease.value]
  return null
}
