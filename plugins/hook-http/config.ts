import { JSON_HOOK_OPTIONS, z } from 'burrow'

const CODE = { code: 'HOOK_HTTP' } as const
/** What the plugin itself says of a request. */
const OWN_HEADERS =
  /^(?:accept|connection|content-.*|expect|host|idempotency-key|te|trailer|transfer-encoding|upgrade)$/i
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/

const Url = z.string().transform((text, context) => {
  const wrong = (message: string) => {
    context.issues.push({ code: 'custom', input: text, message, params: CODE })
    return z.NEVER
  }
  if (!URL.canParse(text)) return wrong('expected a URL (https://hooks.example.net/burrow)')
  const url = new URL(text)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return wrong('expected a URL of https or http')
  if (url.username !== '' || url.password !== '' || url.hash !== '')
    return wrong('expected a URL without user, password and fragment; credentials belong in `headers`')
  return url
})

const Header = z
  .string()
  .regex(/^[\w!#$%&'*+.^`|~-]+$/, 'expected the name of a header')
  .refine(name => !OWN_HEADERS.test(name), 'expected another header: this one is set already')
const HeaderValue = z.string().regex(/^[\t\x20-\x7e]*$/, 'expected a header value: printable ASCII')

export const Options = z
  .strictObject({
    url: Url.describe('Each call is a POST to it. http only to this host itself, or with allowClearText.'),
    ...JSON_HOOK_OPTIONS,
    allowClearText: z
      .boolean()
      .default(false)
      .describe('http to other hosts, although passwords go over it.'),
    headers: z.record(Header, HeaderValue).default({}).describe('Sent with each request; may be secrets.'),
    retries: z
      .number()
      .int()
      .min(0)
      .max(10)
      .default(2)
      .describe(
        'Times that a call is sent again when the service cannot be reached or answers 502, 503 or 504.',
      ),
    connections: z.number().int().min(1).max(1024).default(8).describe('At most so many, kept open.'),
    breakerFailures: z
      .number()
      .int()
      .min(0)
      .max(1000)
      .default(5)
      .describe('Calls that fail in a row before the service is left alone; 0: it never is.'),
    breakerOpenMs: z
      .number()
      .int()
      .min(1)
      .max(3_600_000)
      .default(5000)
      .describe('So long it is left alone; then one call tries it.'),
    maxResponseBytes: z
      .number()
      .int()
      .min(64)
      .max(16 * 1024 * 1024)
      .default(65_536)
      .describe('Of the body of one answer.'),
    caFile: z.string().min(1).exactOptional().describe("Certificates to trust instead of the system's, PEM."),
    certFile: z
      .string()
      .min(1)
      .exactOptional()
      .describe('Our certificate for the service, PEM; with keyFile.'),
    keyFile: z.string().min(1).exactOptional().describe('Its key, PEM, without a passphrase.'),
    serverName: z
      .string()
      .min(1)
      .exactOptional()
      .describe('The name that its certificate must have. Default: the host of the url.'),
  })
  .superRefine(({ url, allowClearText, ...options }, context) => {
    const wrong = (path: PropertyKey, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message, params: CODE })
    if (url.protocol === 'http:') {
      if (!allowClearText && !LOOPBACK.test(url.hostname))
        wrong('url', 'expected https: passwords go over it (or `allowClearText: true`)')
      for (const option of ['caFile', 'certFile', 'keyFile', 'serverName'] as const)
        if (options[option] !== undefined) wrong(option, 'expected a url of https beside it')
    }
    if ((options.certFile === undefined) !== (options.keyFile === undefined))
      wrong(options.certFile === undefined ? 'keyFile' : 'certFile', 'expected certFile and keyFile together')
  })
export type Options = z.output<typeof Options>
