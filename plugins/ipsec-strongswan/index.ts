/** L2TP inside of IPsec: has charon do IKE and ESP, ties each tunnel to its SA, and refuses what comes in the clear. */
import {
  type AdmitVerdict,
  BoundedLog,
  BurrowError,
  type Clock,
  definePlugin,
  IPSEC_SECRETS,
  type IpsecSecret,
  type Path,
  type TimerHandle,
} from 'burrow'
import { Charon, type Wanted } from './charon.ts'
import { Options } from './config.ts'
import { type Item, itemsOf, secretItem } from './load.ts'
import { Ties } from './ties.ts'

const NAME = 'ipsec-strongswan'
/** Keys of other plugins are asked for again. */
const SECRETS_MS = 60_000
const SECRETS_DEADLINE_MS = 5000
const MOST_SECRETS = 10_000

export default definePlugin({
  name: NAME,
  requires: [IPSEC_SECRETS],
  config: Options,
  setup({ id, hooks, server, log, clock, configDir, shared }, options, sources) {
    const { socket, timeoutMs, graceMs } = options
    const { charon, ties } = shared(
      socket,
      () => {
        const charon = new Charon({ socket, timeoutMs, clock, log })
        const ties = new Ties({ charon, server, clock, log })
        charon.want(ties.holds.wanted)
        return { charon, ties }
      },
      async made => {
        made.ties.close()
        await made.charon.close()
      },
    )
    const bounded = new BoundedLog(log, clock)
    // Two deployments may call theirs the same.
    const scope = id === NAME ? '' : `${id.replaceAll('/', '.')}-`
    let items: readonly Item[] = []
    let secrets: readonly IpsecSecret[] = []
    let timer: TimerHandle | undefined

    const known = async () =>
      (await Promise.all(sources.map(one => one.list()))).flat().slice(0, MOST_SECRETS)
    const itemsNow = async (): Promise<readonly Item[]> => {
      try {
        secrets = await within(SECRETS_DEADLINE_MS, known(), clock)
      } catch (error) {
        log.error({ error }, 'pre-shared keys of another plugin are not known; those of before stay')
      }
      return [
        ...secrets.map((secret, index) => secretItem(`burrow-psk-${scope}plugin-${index}`, secret)),
        ...items,
      ]
    }
    const wanted: Wanted = { id, items: itemsNow }

    const lookForSecrets = () => {
      timer = clock.setTimer(SECRETS_MS, async () => {
        await charon.reload().catch(error => bounded.error('charon did not take pre-shared keys', { error }))
        if (timer !== undefined) lookForSecrets()
      })
    }

    const inTheClear = ({ local, remote }: Path): AdmitVerdict => ({
      kind: 'deny',
      reason: charon.isUp
        ? `L2TP in the clear: no IPsec SA is between ${remote.address}:${remote.port} and ${local.address}:${local.port}`
        : 'charon is gone, and nobody knows whether IPsec protects this peer',
      message: 'IPsec is required',
    })

    hooks.admitTunnel.tapPromise(NAME, async ({ tunnel: { key, path }, dryRun }) => {
      // Whoever tries a login has no SA.
      if (dryRun) return undefined
      const sa = await charon.find(path)
      if (sa !== undefined) {
        server.protectTunnel(key, sa.protection)
        if (options.require && !options.dropClear) await ties.holds.hold(key, path)
      } else if (options.require) return inTheClear(path)
      return undefined
    })

    hooks.tunnelDown.tap(NAME, () => ties.lookSoon())

    // A tunnel may have been let in by somebody who was asked before us, by an older config, or have lost its SA since.
    hooks.admitSession.tapPromise(NAME, async ({ session: { tunnel }, dryRun }) => {
      if (dryRun || !options.require) return undefined
      const { path, protection } = tunnel
      const sa = protection && (await charon.find(path, protection.identity))
      return sa === undefined ? inTheClear(path) : undefined
    })

    return {
      check() {
        items = itemsOf(options, { scope, configDir, log })
      },
      async start() {
        await charon.use(wanted)
        ties.graceMs = graceMs
        if (sources.length > 0) lookForSecrets()
      },
      async stop() {
        timer?.cancel()
        timer = undefined
        bounded.close()
        await charon.leave(wanted)
      },
    }
  },
})

/** Rejects where it takes longer. */
function within<T>(deadlineMs: number, promise: Promise<T>, clock: Clock): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new BurrowError('PLUGIN_TIMEOUT', `no answer within ${deadlineMs} ms`))
    const timer = clock.setTimer(deadlineMs, late)
    promise.then(resolve, reject).finally(() => timer.cancel())
  })
}
