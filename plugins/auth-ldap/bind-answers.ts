/** What a refused bind means. */

export interface BindRefusal {
  readonly text: string
  /** The password is wrong: it counts towards a lock. */
  readonly wrongPassword: boolean
  readonly unknownUser: boolean
}

/** Win32 codes that Active Directory puts into the text of invalidCredentials. */
const AD_CODES: Readonly<Record<string, string>> = {
  '525': 'no such user',
  '52e': 'wrong password',
  '530': 'not within the logon hours',
  '531': 'not from this workstation',
  '532': 'the password has expired',
  '533': 'the account is disabled',
  '701': 'the account has expired',
  '773': 'the password must be changed first',
  '775': 'the account is locked',
}

/** `said`: what the server said beside its result code. */
export function refusalOf(said: string): BindRefusal {
  const [, code = ''] = /\bdata ([0-9a-f]{3,4}),/i.exec(said) ?? []
  const meaning = AD_CODES[code.toLowerCase()]
  // Others put a reason there (a locked account, "unwilling to perform"), or nothing but the code.
  const text =
    meaning ?? (/^Code: 0x31$/i.test(said) ? 'wrong password' : `wrong password, or refused (${said})`)
  return {
    text,
    wrongPassword: meaning === undefined || code.toLowerCase() === '52e',
    unknownUser: code === '525',
  }
}
