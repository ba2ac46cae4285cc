/** Hooks answered by a service: each call is a POST of JSON, its answer the verdict. */
import { BurrowError, definePlugin, readTlsFiles, type TlsFiles, tapJson } from 'burrow'
import { Options } from './config.ts'
import { Service } from './service.ts'

const NAME = 'hook-http'

export default definePlugin({
  name: NAME,
  config: Options,
  setup(context, options) {
    const { log, clock, random, configDir } = context
    let service: Service | undefined
    let tls: TlsFiles | undefined
    const read = () => {
      tls ??= readTlsFiles(options, { configDir, log, code: 'HOOK_HTTP' })
      return tls
    }
    return {
      ...tapJson(context, NAME, options, async call => {
        if (service === undefined) throw new BurrowError('HOOK_FAILED', 'the plugin is not started')
        return service.ask(call)
      }),
      check: () => void read(),
      start: () => {
        service = new Service({ options, tls: read(), clock, random, log })
      },
      stop: () => service?.stop(),
    }
  },
})
