/** What the demo's hosts run: `web ADDRESS...` serves a small page, `fetch URL [SOURCE]` prints one or `no answer`. */
import { createServer, request } from 'node:http'

export const PAGE = '<h1>Intranet</h1><p>You reached the server at the headquarters.</p>\n'
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
      get.on('timeout', () => get.destroy(new Error('no answer')))
      get.on('error', () => done('no answer'))
      get.end()
    }),
}

const [role = '', ...args] = process.argv.slice(2)
await ROLES[role]?.(...args)
