/** One POST, and what came of it. */
import { type Agent, type IncomingMessage, request as plainRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { BurrowError, type JsonCall, parseHookAnswer } from 'burrow'

export type Outcome =
  | { readonly kind: 'answer'; readonly answer: unknown }
  /** The service, or the way to it, does not work: another try may help. */
  | { readonly kind: 'down'; readonly error: BurrowError }
  /** It works, and what it said is of no use. */
  | { readonly kind: 'useless'; readonly error: BurrowError }

export interface Target {
  readonly url: URL
  readonly agent: Agent
  readonly headers: Readonly<Record<string, string>>
  readonly maxResponseBytes: number
}

const DOWN_STATUS: ReadonlySet<number> = new Set([502, 503, 504])
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i

export function post(target: Target, { request, signal, wantsAnswer }: JsonCall): Promise<Outcome> {
  const { url, agent, headers, maxResponseBytes } = target
  const body = Buffer.from(JSON.stringify(request))
  return new Promise(resolve => {
    const send = url.protocol === 'https:' ? tlsRequest : plainRequest
    const sent = send(url, {
      method: 'POST',
      agent,
      signal,
      headers: {
        ...headers,
        accept: 'application/json',
        'content-type': 'application/json',
        'content-length': body.length,
        'idempotency-key': request.id,
      },
    })
    let answered = false
    sent.on('error', error => resolve(down(error.message)))
    sent.on('close', () => {
      if (!answered) resolve(down('the connection was closed'))
    })
    sent.on('response', response => {
      answered = true
      void read(response, maxResponseBytes).then(({ text, failed }) =>
        resolve(refusal(response) ?? failed ?? (wantsAnswer ? parsed(response, text) : NOTHING)),
      )
    })
    sent.end(body)
  })
}

/** Undefined: its body counts. */
function refusal({ statusCode = 0 }: IncomingMessage): Outcome | undefined {
  if (DOWN_STATUS.has(statusCode)) return down(`it answers with status ${statusCode}`)
  if (statusCode >= 300 && statusCode < 400)
    return useless('HOOK_FAILED', `it answers with status ${statusCode}; redirects are not followed`)
  if (statusCode < 200 || statusCode > 299)
    return useless('HOOK_FAILED', `it answers with status ${statusCode}`)
  return undefined
}

/** The body is read whatever the status is, so that the connection can be kept; never more than `longest` bytes. */
async function read(
  response: IncomingMessage,
  longest: number,
): Promise<{ readonly text: string; readonly failed?: Outcome }> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length
      chunks.push(chunk)
      if (bytes <= longest) continue
      // Leaving the loop closes the connection.
      return { text: '', failed: useless('HOOK_ANSWER', `its answer is longer than ${longest} bytes`) }
    }
  } catch (error) {
    return { text: '', failed: down((error as Error).message) }
  }
  return { text: Buffer.concat(chunks).toString('utf8') }
}

const NOTHING: Outcome = { kind: 'answer', answer: null }

function parsed({ headers }: IncomingMessage, text: string): Outcome {
  if (text !== '' && !JSON_TYPE.test(headers['content-type'] ?? ''))
    return useless('HOOK_ANSWER', 'its answer is not of the content type application/json')
  try {
    return { kind: 'answer', answer: parseHookAnswer(text) }
  } catch (error) {
    return { kind: 'useless', error: error as BurrowError }
  }
}

const down = (text: string): Outcome => ({ kind: 'down', error: new BurrowError('HOOK_FAILED', text) })
const useless = (code: 'HOOK_FAILED' | 'HOOK_ANSWER', text: string): Outcome => ({
  kind: 'useless',
  error: new BurrowError(code, text),
})
