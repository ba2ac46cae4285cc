/** A plugin that writes how many tunnels there were at a time, at most: under a flood nearly all of them are half-open. */
import { writeFileSync } from 'node:fs'
import { definePlugin, type TimerHandle, z } from '../../core/index.ts'

const LOOK_MS = 50

export default definePlugin({
  name: 'tunnel-watch',
  config: z.strictObject({ file: z.string() }),
  setup({ server, clock }, { file }) {
    let most = 0
    let timer: TimerHandle | undefined
    const look = () => {
      most = Math.max(most, server.tunnels().length)
      writeFileSync(file, String(most))
      timer = clock.setTimer(LOOK_MS, look)
    }
    return {
      async start() {
        look()
      },
      async stop() {
        timer?.cancel()
      },
    }
  },
})
