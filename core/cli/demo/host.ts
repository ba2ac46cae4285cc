/** What the demo's hosts run: `web ADDRESS...` serves a small page, `fetch URL [SOURCE]` prints one or `no answer`. */
import { createServer, request } from 'node:http'
import { NO_ANSWER, PAGE } from './page.ts'

const FETCH_TIMEOUT_MS = 1500

const ROLES: Readonly<Record<string, (...args: string[]) => Promise<void>>> = {
  async web(...addresses) {
    const server = () =>
      createServer((_, response) => response.setHeader('content-type', 'text/html').end(PAGE))
    for (const address of addresses) {
      await new Promise<void>((resolve, reject) => {
        server().once('error', reject).listen(80, address, resolve)
      })
    }
    process.stdout.write('ready\n')
  },
  fetch: (url = '', localAddress) =>
    new Promise(resolve => {
      const done = (text: string) => {
        process.stdout.write(text)
        resolve()
      }
      const get = request(
        url,
        { timeout: FETCH_TIMEOUT_MS, ...(localAddress && { localAddress }) },
        response => {
          let page = ''
          response.setEncoding('utf8')
          response.on('data', chunk => {
            page += chunk
          })
          response.on('end', () => done(page))
        },
      )
      get.on('timeout', () => get.destroy(new Error(NO_ANSWER)))
      get.on('error', () => done(NO_ANSWER))
      get.end()
    }),
}

const [role = '', ...args] = process.argv.slice(2)
await ROLES[role]?.(...args)
