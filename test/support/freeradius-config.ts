/** The config of a FreeRADIUS of a test: one virtual server with every method, none of Debian's files. */
import { CA_PEM, CLIENT_KEY, CLIENT_PEM, SERVER_KEY, SERVER_PEM } from './certificates.ts'

export interface RadiusUser {
  /** In the clear; none for who shows a certificate. */
  readonly password?: string
  /** Attributes that are checked or set beside it, as the users file has them: `NAS-Port-Type == Virtual`. */
  readonly check?: readonly string[]
  /** Attributes of the accept, as the users file has them: `Framed-IP-Address = 10.66.0.50`, `Class += 0x01`. */
  readonly reply?: readonly string[]
  /** So long every answer about the user takes; it keeps one of the server's `threads` busy. At most 30 s. */
  readonly delayS?: number
  /** The right password is answered with an Access-Challenge first; what comes with its State must be `answer`. */
  readonly challenge?: { readonly message: string; readonly answer: string }
}

export interface FreeradiusConfig {
  readonly users?: Readonly<Record<string, RadiusUser>>
  /** Lines that stand before those of the users: other entries, of DEFAULT say. */
  readonly userLines?: readonly string[]
  readonly secret?: string
  /** Whether accepts, rejects and challenges all carry one. `stock`: as Debian's config has it, those of EAP only. Default: always. */
  readonly messageAuthenticator?: 'always' | 'stock'
  /** Whether Status-Server is answered. Default: it is. */
  readonly statusServer?: boolean
  /** Offered first; a peer may ask for another by a Nak. Default: md5. */
  readonly eap?: 'md5' | 'mschapv2' | 'tls'
  /** Adds a RadSec listener, with the certificates of `certificates.ts`. Default: none. */
  readonly radsec?: boolean
  /** Most requests that are worked on at once. Default: 8. */
  readonly threads?: number
  /** Lines of a dictionary of its own. */
  readonly dictionary?: readonly string[]
  /** Whether `log()` tells what it makes of each request; slow. Default: it does not. */
  readonly debug?: boolean
  /** Name of the network namespace to serve in; the test's own when it is not given. */
  readonly netns?: string
  /** It listens on this port and the next, where clients want it so. Default: two that are free. */
  readonly authPort?: number
  /** Whether `requests()` is kept. Default: it is. */
  readonly recordsRequests?: boolean
}

export interface FreeradiusPlace {
  readonly folder: string
  readonly secret: string
  readonly authPort: number
  readonly acctPort: number
  readonly radsecPort: number
}

/** Files of the raddb by name. */
export function filesOf(config: FreeradiusConfig, place: FreeradiusPlace): Readonly<Record<string, string>> {
  return {
    'ca.pem': CA_PEM,
    'server.pem': SERVER_PEM,
    'server.key': SERVER_KEY,
    // For who connects by RadSec or logs in by EAP-TLS.
    'client.pem': CLIENT_PEM,
    'client.key': CLIENT_KEY,
    dictionary: ['$INCLUDE /usr/share/freeradius/dictionary', ...(config.dictionary ?? []), ''].join('\n'),
    users: [...(config.userLines ?? []), ...Object.entries(config.users ?? {}).map(userText), ''].join('\n'),
    'slow.pl': SLOW,
    'radiusd.conf': radiusdConf(config, place),
  }
}

/** A process for each slow answer would cost more than the answers. */
const SLOW = `our %RAD_CHECK;
sub wait_a_while { select(undef, undef, undef, $RAD_CHECK{'Tmp-String-0'}); return 7; }
sub authorize { return wait_a_while(); }
sub preacct { return wait_a_while(); }
`

const quoted = (text: string): string => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`

function userText([name, user]: readonly [string, RadiusUser]): string {
  const { password, check = [], reply = [], delayS, challenge } = user
  const checks = [
    ...(password === undefined ? [] : [`Cleartext-Password := ${quoted(password)}`]),
    ...(delayS === undefined ? [] : [`Tmp-String-0 := "${delayS}"`]),
    ...(challenge === undefined
      ? []
      : [`Tmp-String-1 := ${quoted(challenge.message)}`, `Tmp-String-2 := ${quoted(challenge.answer)}`]),
    ...check,
  ]
  const head = `${name === 'DEFAULT' ? name : quoted(name)} ${checks.join(', ')}`
  return reply.length === 0 ? head : `${head}\n\t${reply.join(',\n\t')}`
}

function radiusdConf(config: FreeradiusConfig, place: FreeradiusPlace): string {
  const { messageAuthenticator = 'always', statusServer = true, eap = 'md5', threads = 8 } = config
  const { folder, secret, authPort, acctPort, radsecPort } = place
  const mark = messageAuthenticator === 'always' ? 'update reply { Message-Authenticator := 0x00 }' : 'noop'
  const recorded = (config.recordsRequests ?? true) ? 'requests' : 'ok'
  const slow = `if (&control:Tmp-String-0) {
      slow
    }`
  const tls = `ca_file = ${folder}/ca.pem
      certificate_file = ${folder}/server.pem
      private_key_file = ${folder}/server.key
      ecdh_curve = prime256v1
      tls_min_version = "1.2"`
  return `name = radiusd
prefix = /usr
localstatedir = ${folder}
logdir = ${folder}
run_dir = ${folder}
raddbdir = ${folder}
libdir = /usr/lib/freeradius
max_request_time = 60
cleanup_delay = 5
max_requests = 65536
hostname_lookups = no
log {
  destination = stdout
  auth = no
}
security {
  reject_delay = 0
  status_server = ${statusServer ? 'yes' : 'no'}
}
thread pool {
  start_servers = ${threads}
  max_servers = ${threads}
  min_spare_servers = 3
  max_spare_servers = ${threads}
  max_requests_per_server = 0
}
client loopback {
  ipaddr = 127.0.0.0/8
  secret = ${quoted(secret)}
}
clients radsec {
  client loopback {
    ipaddr = 127.0.0.1
    proto = tls
    secret = radsec
    limit {
      max_connections = 0
    }
  }
}
modules {
  pap {
  }
  chap {
  }
  mschap {
  }
  eap {
    default_eap_type = ${eap}
    md5 {
    }
    mschapv2 {
    }
    tls-config common {
      ${tls}
      tls_max_version = "1.2"
    }
    tls {
      tls = common
    }
  }
  expr {
  }
  files {
    filename = ${folder}/users
  }
  perl slow {
    filename = ${folder}/slow.pl
  }
  detail accounting {
    filename = ${folder}/accounting
  }
  detail requests {
    filename = ${folder}/requests
  }
  always reject {
    rcode = reject
  }
  always handled {
    rcode = handled
  }
  always noop {
    rcode = noop
  }
  always ok {
    rcode = ok
  }
}
server test {
  listen {
    type = auth
    ipaddr = 127.0.0.1
    port = ${authPort}
  }
  listen {
    type = acct
    ipaddr = 127.0.0.1
    port = ${acctPort}
  }
${
  config.radsec === true
    ? `  listen {
    type = auth+acct
    proto = tcp
    ipaddr = 127.0.0.1
    port = ${radsecPort}
    clients = radsec
    limit {
      max_connections = 64
      lifetime = 0
      idle_timeout = 0
    }
    tls {
      ${tls}
      tls_max_version = "1.3"
      require_client_cert = yes
    }
  }
`
    : ''
}  authorize {
    ${recorded}
    files
    ${slow}
    if (&control:Tmp-String-1) {
      if (&State) {
        update control { Cleartext-Password := "%{control:Tmp-String-2}" }
      }
      else {
        update control { Auth-Type := Challenge }
      }
    }
    chap
    mschap
    eap
    pap
    Autz-Type Status-Server {
      ok
    }
  }
  authenticate {
    Auth-Type PAP {
      pap
    }
    Auth-Type CHAP {
      chap
    }
    Auth-Type MS-CHAP {
      mschap
    }
    Auth-Type Challenge {
      pap
      if (ok) {
        update reply {
          State := "%{randstr:aaaaaaaaaaaaaaaa}"
          Reply-Message := "%{control:Tmp-String-1}"
        }
        ${mark}
        update control { Response-Packet-Type := Access-Challenge }
        handled
      }
    }
    eap
  }
  post-auth {
    ${mark}
    Post-Auth-Type REJECT {
      ${mark}
    }
    Post-Auth-Type Challenge {
      ${mark}
    }
  }
  preacct {
    files
    ${slow}
  }
  accounting {
    accounting
    ok
  }
}
`
}
