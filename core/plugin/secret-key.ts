const ENDS =
  /(?:secret|password|passwordhash|passwd|passphrase|credential|token|key|authorization|cookie|header)s?$|^env$/i
/** Shorter words count only where they are words: no `bypass`, no `spin`. */
const LAST_WORD = /(?:^|[_.-])(?:pass|pwd|psk|pin|dsn)$|[a-z](?:Pass|Pwd|Psk|Pin|Dsn)$/

/**
 * Whether a secret may stand under this key of a config: its last word tells. `secretFile` and `passwordEnv` only say where one
 * is; `headers` and an `env` may hold one under any name.
 */
export const isSecretKey = (key: PropertyKey): boolean =>
  ENDS.test(String(key)) || LAST_WORD.test(String(key))

/** A text in which no URL carries a password. */
export const withoutUrlPassword = (text: string): string => text.replace(/\/\/[^/@\s]*@/g, '//***@')
