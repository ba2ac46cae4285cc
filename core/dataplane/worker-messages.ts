/** What crosses between a data plane's worker and the thread that owns it. */
import type { MessagePort } from 'node:worker_threads'
import type { ErrorCode } from '../errors.ts'
import type { FlowCounters } from '../flow.ts'
import type { SocketAddress } from '../ports.ts'
import type { DataPlaneEvent } from './data-plane.ts'
import type { Command } from './engine.ts'
import type { EngineMemory } from './engine-memory.ts'
import type { RungName } from './tun/rungs.ts'
import type { UpKind } from './up-budget.ts'

/** Everything is opened, and in the end closed, by the owner. */
export interface WorkerData {
  readonly port: MessagePort
  readonly maxFlows: number
  readonly mtuBytes: number
  readonly memory: EngineMemory
  readonly connections: number
  /** How many events of each class the owner has taken, as Int32; see `EVENT_CLASS`. */
  readonly taken: SharedArrayBuffer
  /** One Int32, another number whenever the worker has got on. */
  readonly heartbeat: SharedArrayBuffer
  readonly sockets: readonly { readonly fd: number; readonly bound: SocketAddress }[]
  readonly tunFd: number | undefined
  /** What the ports are to be. */
  readonly rung: RungName
  /** An eventfd: written after each message to the worker. */
  readonly wakeFd: number
}

export type ToWorker =
  | { readonly kind: 'command'; readonly seq: number; readonly command: Command }
  | { readonly kind: 'stop' }

export type FromWorker =
  | { readonly kind: 'up' }
  | { readonly kind: 'done'; readonly seq: number; readonly counters: readonly FlowCounters[] }
  | { readonly kind: 'refused'; readonly seq: number; readonly code: ErrorCode; readonly message: string }
  /** Control messages first. */
  | { readonly kind: 'events'; readonly events: readonly DataPlaneEvent[]; readonly control: number }

/** Index into `taken`. */
export const EVENT_CLASS = { control: 0, other: 1 } as const

/** How many events may wait for the owner; more are refused, so that a slow owner costs no memory. */
export const MOST_WAITING: Readonly<Record<keyof typeof EVENT_CLASS, number>> = { control: 8192, other: 4096 }

export function eventClass(kind: UpKind): keyof typeof EVENT_CLASS {
  return kind === 'control' ? 'control' : 'other'
}
