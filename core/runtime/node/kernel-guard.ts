/** Keeps packets between sessions and interfaces to what may be, by the first means that this host has. */
import { BurrowError } from '../../errors.ts'
import type { InterfaceWays } from '../../plugin/interfaces.ts'
import type { TimerHandle } from '../../ports.ts'
import { checkNft, guardByNft, removeNftGuard } from './guard-nft.ts'
import { guardByRules, removeRuleGuard } from './guard-rules.ts'
import type { InterfaceGuard, KernelWatch, RouteTables } from './kernel.ts'

const DEFAULT_EVERY_MS = 5000

interface Means {
  readonly tables?: RouteTables
  change(ways: InterfaceWays): Promise<void>
  /** Puts right what somebody changed. */
  mend(): Promise<void>
  close(): Promise<void>
}

export async function guardInterfaces(
  tunName: string,
  ways: InterfaceWays,
  watch: KernelWatch,
): Promise<InterfaceGuard> {
  const { clock, log, everyMs = DEFAULT_EVERY_MS } = watch
  await removeGuard(tunName)
  const { name, means } = await firstMeans(tunName, ways, watch)
  let timer: TimerHandle | undefined
  let closed: Promise<void> | undefined
  const look = () => {
    timer = clock.setTimer(everyMs, async () => {
      await means
        .mend()
        .catch(error => log.error({ error }, `${name}: what keeps interfaces apart could not be mended`))
      if (closed === undefined) look()
    })
  }
  look()
  return {
    means: name,
    tables: means.tables,
    change: next => means.change(next),
    close() {
      timer?.cancel()
      closed ??= means
        .close()
        .catch(error => log.error({ error }, `${name}: what keeps interfaces apart could not be removed`))
      return closed
    },
  }
}

async function firstMeans(
  tunName: string,
  ways: InterfaceWays,
  watch: KernelWatch,
): Promise<{ readonly name: InterfaceGuard['means']; readonly means: Means }> {
  try {
    return { name: 'nftables', means: await guardByNft(tunName, ways, watch) }
  } catch (noNft) {
    try {
      const means = await guardByRules(tunName, ways, watch)
      watch.log.warn(
        { reason: told(noNft) },
        'zones of interfaces are kept by rules of routing, not by nftables',
      )
      return { name: 'ip rule', means }
    } catch (noRules) {
      await removeGuard(tunName)
      const why = `nftables: ${told(noNft)}; ip rule: ${told(noRules)}`
      throw new BurrowError('INTERFACE_ZONES', `zones have interfaces, and nothing keeps to them: ${why}`)
    }
  }
}

const told = (error: unknown): string => (error instanceof Error ? error.message : String(error))

export async function removeGuard(tunName: string): Promise<void> {
  await removeNftGuard(tunName)
  // Where rules cannot be shown there are none.
  await removeRuleGuard(tunName).catch(() => {})
}

export async function nftProblem(): Promise<string | undefined> {
  return checkNft().then(
    () => undefined,
    error => told(error),
  )
}
