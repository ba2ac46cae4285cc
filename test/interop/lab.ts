/**
 * Real peers: guests with a Linux kernel of their own (User-mode Linux) that run xl2tpd and pppd, a network of this
 * lab's own that joins them with the host that Burrow runs on, and a web server inside.
 *
 *     guest 0, 1, ...                   host (a namespace)               inside (a namespace)
 *     10.9.0.10 + n  --- tap, bridge -- 10.9.0.1   192.168.1.254 -- veth -- 192.168.1.1, a page on port 80
 *
 * Nothing outlives the test process: the kernel kills the guests with it.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lackOf } from '../setup/peers.ts'
import { burrow } from '../support/burrow.ts'
import { ROOT } from '../support/imports.ts'
import { joinByVeth, makeNetns, type Netns } from '../support/netns.ts'
import { type Program, run, start } from '../support/processes.ts'
import { until } from '../support/until.ts'

export const ADDRESS = {
  host: '10.9.0.1',
  gateway: '192.168.1.254',
  /** Of Burrow, inside of its sessions. */
  inSessions: '172.16.1.1',
  web: '192.168.1.1',
  /** Of an xl2tpd that serves in a guest, and the network of its pool. */
  xl2tpd: '10.70.0.1',
  xl2tpdPool: '10.70.1.',
} as const

/** What xl2tpd lets in when it serves. */
export const XL2TPD_USER = { user: 'alice', password: 'wonderland' } as const

const START_DEADLINE_MS = 60_000
const COMMAND_DEADLINE_MS = 30_000
const MEMORY = '192M'
const SHELL_PORT = 2323
const GUEST = join(ROOT, 'test/interop/guest')
/** What lets the kernel of a guest run on a host with more registers than it knows. */
const registersOf = (folder: string) => join(folder, 'xstate.so')
const EXIT_CODE = /^([\s\S]*)__CODE=(\d+)\n/
const LOGS = 'cat /run/lab/xl2tpd.log /run/lab/pppd.log'

export interface Lab {
  readonly host: Netns
  readonly inside: Netns
  /** Scratch folder on the host; guests can read it. */
  readonly folder: string
  guest(index: number): Guest
  /** `burrow serve` on the host, with these lines in its config; resolves when it listens. */
  serve(yaml: string, options?: readonly string[]): Promise<Program>
  /** Addresses from which the page was fetched, in order. */
  readonly visitors: readonly string[]
}

export interface Guest {
  readonly address: string
  /** Runs a shell command; its output is stdout and stderr together. */
  run(command: string, deadlineMs?: number): Promise<{ readonly code: number; readonly output: string }>
  /** Orders xl2tpd to call an LNS, after ending the one before. */
  dial(call: Call): Promise<void>
  /** Serves as an LNS, after ending the xl2tpd before; `options` are lines of pppd's. */
  serve(
    auth: 'pap' | 'chap' | 'mschap-v2' | 'eap',
    secret?: string,
    options?: readonly string[],
  ): Promise<void>
  /** Serves a page at an address of its own, to whom it names in it. */
  servePage(address: string): Promise<void>
  /** The address of ppp0 and of its other end, once it is there. */
  addressed(deadlineMs?: number): Promise<{ readonly own: string; readonly peer: string }>
  /** Pings the web server behind the LNS through ppp0, and fetches its page, which sees that address of ours. */
  reachesTheServer(own: string): Promise<void>
  /** Waits until there is no ppp0. */
  gone(deadlineMs?: number): Promise<void>
  /** Ends xl2tpd, which hangs up first; `KILL` gives it no time for that. Returns when it and its pppd are gone. */
  end(signal?: 'TERM' | 'KILL'): Promise<void>
  /** Of xl2tpd, pppd and the kernel. */
  versions(): Promise<string>
  /** Waits until xl2tpd or pppd has logged it. */
  says(pattern: RegExp, deadlineMs?: number): Promise<void>
}

export interface Call {
  readonly lns: string
  readonly user: string
  readonly password: string
  readonly secret?: string
  /** Whether the LNS must prove that it knows the secret; it must, where there is one. */
  readonly challenge?: boolean
  /** Lines of pppd's options, such as `refuse-chap`. */
  readonly options?: readonly string[]
}

export interface Cleanup {
  after(act: () => void | Promise<void>): void
}

/** Starts a lab with that many guests, some four seconds; `t.after` ends it. */
export async function startLab(t: Cleanup, guests: number): Promise<Lab> {
  const lack = lackOf(['network', 'peers'])
  if (lack !== undefined) throw new Error(`${lack.reason}: ${lack.remedy}`)

  const folder = mkdtempSync(join(tmpdir(), 'burrow-lab-'))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  process.once('exit', remove)

  const compiler = ['gcc', '-O2', '-Wall', '-Werror', '-shared', '-fPIC']
  const { code, stderr } = await run([...compiler, '-o', registersOf(folder), join(GUEST, 'xstate.c')])
  if (code !== 0) throw new Error(`gcc: ${stderr}`)

  const host = makeNetns(t)
  const inside = makeNetns(t)
  joinByVeth(
    { netns: host, device: 'inside', address: `${ADDRESS.gateway}/24` },
    { netns: inside, device: 'outside', address: `${ADDRESS.web}/24` },
  )
  inside.ip(`route add default via ${ADDRESS.gateway}`)
  const indexes = Array.from({ length: guests }, (_, index) => index)
  host.ip(
    'link add br0 type bridge',
    `addr add ${ADDRESS.host}/24 dev br0`,
    'link set br0 up',
    ...indexes.flatMap(index => [
      `tuntap add dev tap${index} mode tap vnet_hdr`,
      `link set tap${index} master br0`,
      `link set tap${index} up`,
    ]),
  )

  const visitors: string[] = []
  const web = createServer((request, response) => {
    visitors.push(request.socket.remoteAddress ?? '')
    response.end(PAGE)
  })
  await inside.inside(() => new Promise<void>(resolve => web.listen(80, ADDRESS.web, resolve)))

  const kernels = indexes.map(index => boot(host.name, folder, index))
  t.after(async () => {
    web.close()
    await Promise.all(kernels.map(halt))
    remove()
    process.off('exit', remove)
  })
  await Promise.all(kernels.map(kernel => kernel.says(/LAB-READY/, START_DEADLINE_MS)))
  const started = indexes.map(index => guestAt(host.name, index, visitors))
  for (const guest of started) {
    const answer = async () => (await guest.run('true', 1_000)).code === 0
    await until(`the shell of guest ${guest.address}`, answer)
  }
  return {
    host,
    inside,
    folder,
    visitors,
    async serve(yaml, options = []) {
      const config = join(folder, 'burrow.yaml')
      const own = `listen: [${ADDRESS.host}]
gatewayAddress: ${ADDRESS.inSessions}
manageKernel: true
controlSocket: ${join(folder, 'control.sock')}
`
      writeFileSync(config, own + yaml, { mode: 0o600 })
      const lns = burrow(['serve', '-c', config, ...options], { netns: host.name })
      await lns.says(/Burrow listens/)
      return lns
    },
    guest(index) {
      const guest = started[index]
      if (guest === undefined) throw new Error(`this lab has no guest ${index}`)
      return guest
    },
  }
}

export const PAGE = '<h1>Intranet</h1>'

/** The kernel is process 1 of a process namespace, so that nothing of it outlives `unshare`. */
function boot(netns: string, folder: string, index: number): Program {
  return start(
    [
      ...['unshare', '--pid', '--fork', '--kill-child', 'linux.uml', `mem=${MEMORY}`],
      ...[
        `umid=guest${index}`,
        `uml_dir=${folder}/`,
        'root=/dev/root',
        'rootfstype=hostfs',
        'rootflags=/',
        'ro',
      ],
      ...[`vec0:transport=tap,ifname=tap${index},depth=128,gro=1`, 'con=null', 'con0=fd:0,fd:1'],
      `init=${join(GUEST, 'init')}`,
      ...[`lab_address=${addressOf(index)}/24`, `lab_gateway=${ADDRESS.host}`, `lab_name=guest${index}`],
    ],
    { netns, env: { LD_PRELOAD: registersOf(folder) } },
  )
}

/** Ends the kernel itself, so that `unshare` sees it through; with `unshare` killed, whoever adopts it would have to. */
async function halt(unshare: Program): Promise<void> {
  const children = unshare.running()
    ? readFileSync(`/proc/${unshare.pid}/task/${unshare.pid}/children`, 'utf8')
    : ''
  for (const pid of children.split(' ').filter(Boolean)) process.kill(Number(pid), 'SIGKILL')
  await unshare.ended
}

const addressOf = (index: number) => `10.9.0.${10 + index}`

function guestAt(netns: string, index: number, visitors: readonly string[]): Guest {
  const address = addressOf(index)
  const socat = ['socat', '-t', '60', '-', `TCP:${address}:${SHELL_PORT},connect-timeout=10`]

  const exec: Guest['run'] = async (command, deadlineMs = COMMAND_DEADLINE_MS) => {
    const input = `( ${command}\n) 2>&1 </dev/null\necho "__CODE=$?"\nexit\n`
    const shell = start(socat, { netns, input })
    // Not to the end of socat: that of the guest sometimes misses that its shell is gone, and holds the connection.
    const [, output = '', code] = (await shell.says(EXIT_CODE, deadlineMs).catch(() => undefined)) ?? []
    const { stdout, stderr } = await shell.end('SIGKILL')
    return code === undefined ? { code: 255, output: stdout + stderr } : { code: Number(code), output }
  }
  const must = async (command: string) => {
    const { code, output } = await exec(command)
    if (code !== 0) throw new Error(`guest ${index}: ${command}: ${output}`)
    return output
  }
  const guest: Guest = {
    address,
    run: exec,
    async dial({ lns, user, password, secret = '', challenge = secret !== '', options = [] }) {
      await guest.end()
      const words = ['./dial', lns, user, password, secret, challenge ? 'yes' : 'no', ...options]
      await must(words.map(quote).join(' '))
    },
    async serve(auth, secret = '', options = []) {
      await guest.end()
      await must(['./serve', auth, secret, ...options].map(quote).join(' '))
    },
    async servePage(page) {
      await must(`./intranet ${page}`)
    },
    async versions() {
      const said = await must('xl2tpd --version 2>&1; pppd --version; echo Linux $(uname -r)')
      const find = (pattern: RegExp) => pattern.exec(said)?.[1] ?? assert.fail(said)
      return `xl2tpd ${find(/xl2tpd-([\d.]+)/)}, pppd ${find(/version ([\d.]+)/)}, Linux ${find(/Linux (\S+)/)}`
    },
    async addressed(deadlineMs = COMMAND_DEADLINE_MS) {
      let said = ''
      const probe = async () => {
        const { output } = await exec(`ip -4 -o addr show ppp0; ${LOGS}`)
        said = output
        const [, own, peer] = /inet ([\d.]+) peer ([\d.]+)/.exec(output) ?? []
        return own !== undefined && peer !== undefined && { own, peer }
      }
      return until(`guest ${index} to get its address`, probe, deadlineMs, () => `\n${said}`)
    },
    async says(pattern, deadlineMs = COMMAND_DEADLINE_MS) {
      let said = ''
      const probe = async () => {
        said = (await exec(LOGS)).output
        return pattern.test(said)
      }
      await until(`guest ${index} to log ${pattern}`, probe, deadlineMs, () => `\n${said}`)
    },
    async reachesTheServer(own) {
      const output = await must(
        `ip route replace ${ADDRESS.web} dev ppp0
        ping -n -c 2 -i 0.2 -w 5 ${ADDRESS.web} && printf 'GET / HTTP/1.0\\r\\n\\r\\n' | socat -t 5 - TCP:${ADDRESS.web}:80`,
      )
      assert.match(output, new RegExp(PAGE))
      assert.equal(visitors.at(-1), own, 'the server saw the address that was assigned')
    },
    async gone(deadlineMs = COMMAND_DEADLINE_MS) {
      const probe = async () => (await exec('[ ! -e /sys/class/net/ppp0 ]')).code === 0
      await until(`ppp0 of guest ${index} to go`, probe, deadlineMs)
    },
    async end(signal = 'TERM') {
      await must(
        `kill -${signal} $(pidof xl2tpd) 2>/dev/null
        ${signal === 'KILL' ? 'kill -KILL $(pidof pppd) 2>/dev/null' : ''}
        for _ in $(seq 200); do pidof -q xl2tpd pppd || exit 0; sleep 0.05; done; pidof xl2tpd pppd; exit 1`,
      )
    },
  }
  return guest
}

const quote = (word: string) => `'${word.replaceAll("'", "'\\''")}'`
