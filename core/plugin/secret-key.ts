const SECRET = /(?:secret|password|passwordhash|passwd|passphrase|credential|token|key|header)s?$|^env$/i

/**
 * Whether a secret may stand under this key of a config: its last word tells. `secretFile` and `passwordEnv` only say where one
 * is; `headers` and an `env` may hold one under any name.
 */
export const isSecretKey = (key: PropertyKey): boolean => SECRET.test(String(key))
