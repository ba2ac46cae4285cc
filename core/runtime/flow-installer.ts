import type { DataPlane } from '../dataplane/data-plane.ts'
import { type Flow, type FlowCounters, NO_COUNTERS } from '../flow.ts'
import type { Logger } from '../ports.ts'
import type { Answer, SessionKey, SessionPolicy } from '../protocol/outputs.ts'

interface FlowInstallerParts {
  readonly dataPlane: DataPlane
  readonly log: Logger
  /** The session cannot be forwarded. */
  readonly refused: (session: SessionKey) => void
  /** The flow is gone, with its last counters. */
  readonly removed: (answer: Extract<Answer, { kind: 'flowRemoved' }>) => void
}

/** Hands flows to the data plane, whose calls for one flow run one after the other. */
export class FlowInstaller {
  readonly #parts: FlowInstallerParts
  readonly #last = new Map<number, Promise<void>>()

  constructor(parts: FlowInstallerParts) {
    this.#parts = parts
  }

  upsert(flow: Flow, { rules }: SessionPolicy): void {
    const { dataPlane, log, refused } = this.#parts
    this.#inOrder(flow.id, async () => {
      try {
        await dataPlane.upsert([flow])
        await dataPlane.setFlowPolicy(flow.id, flow.generation, rules)
      } catch (error) {
        const { path, localTunnelId, localSessionId } = flow
        const session = `${path.local.address}/${localTunnelId}/${localSessionId}`
        log.error({ session, error }, 'the data plane refused a flow; its session is ended')
        refused(session)
      }
    })
  }

  remove(flowId: number, generation: number): void {
    const { dataPlane, log, removed } = this.#parts
    this.#inOrder(flowId, async () => {
      let counters: FlowCounters | undefined
      try {
        ;[counters] = await dataPlane.remove([{ id: flowId, generation }])
      } catch (error) {
        log.error({ flowId, error }, 'the data plane did not give back the counters of a flow')
      }
      // The id is free for another session from here on.
      this.#last.delete(flowId)
      removed({ kind: 'flowRemoved', flowId, generation, counters: counters ?? NO_COUNTERS })
    })
  }

  #inOrder(id: number, run: () => Promise<void>): void {
    this.#last.set(id, this.#last.get(id)?.then(run) ?? run())
  }
}
