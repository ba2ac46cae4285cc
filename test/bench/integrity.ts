/** 1 GB each way over a bad line, and what Wireshark makes of 100,000 packets of it: the long form of test/dataplane/integrity.test.ts. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { end, prepare, say } from '../setup/prepare.ts'
import { run as runProgram, start } from '../support/processes.ts'
import { openBadWay } from '../support/transfer.ts'
import { type BenchOptions, type Figure, figure } from './measure.ts'

export const about =
  '1 GB each way under loss, reordering and duplication: hashes, checksums, Wireshark (root)'

const BYTES = 2 ** 30
const CAPTURED = 100_000
const WEATHER = { loss: 0.01, duplication: 0.01, reordering: 0.02, corruption: 0 }
const READ_MS = 300_000
/** The outer checksum of what does not leave the machine is not yet there when it is captured. */
const FAULTS = '_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0'
const CHECKS = ['ip', 'tcp'].flatMap(name => ['-o', `${name}.check_checksum:TRUE`])

export async function run({ megabytes }: BenchOptions): Promise<readonly Figure[]> {
  const lack = await prepare(['network', 'dissector'])
  if (lack !== undefined) end(`${lack.reason}; to mend it: ${lack.remedy}`, 1)
  const bytes = megabytes === undefined ? BYTES : megabytes * 2 ** 20
  const ends: (() => unknown)[] = []
  const t = { after: (end: () => unknown) => void ends.push(end) }
  try {
    const way = await openBadWay(t, WEATHER)
    const folder = mkdtempSync(join(tmpdir(), 'burrow-integrity-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const capture = join(folder, 'line.pcapng')
    const outlets = way.outlets.flatMap(({ device, address }) => [
      '-i',
      device,
      '-f',
      `udp and src host ${address}`,
    ])
    const dumpcap = start(['dumpcap', ...outlets, '-c', String(CAPTURED), '-w', capture], {
      netns: way.line.name,
    })
    t.after(() => dumpcap.end('SIGKILL'))
    await dumpcap.says(/File: /)
    const figures: Figure[] = []
    for (const direction of ['up', 'down'] as const) {
      say(`bench: ${bytes / 2 ** 20} MB ${direction}`)
      const from = performance.now()
      const { sent, received } = await way.transfer(direction, bytes)
      figures.push(
        figure(
          `${direction}: octets that are not what was sent`,
          'of them',
          [sent === received ? 0 : bytes],
          1,
        ),
        figure(`${direction}`, 'Mbit/s', [(8 * bytes) / 1e3 / (performance.now() - from)]),
      )
    }
    const report = await way.report()
    say(`bench: the line: ${JSON.stringify(report)}`)
    await dumpcap.end('SIGINT')
    const read = async (filter: string) => {
      const words = [
        'tshark',
        '-n',
        '-r',
        capture,
        ...CHECKS,
        '-Y',
        filter,
        '-T',
        'fields',
        '-e',
        'frame.number',
      ]
      const { code, stdout, stderr } = await runProgram(words, { deadlineMs: READ_MS })
      if (code !== 0) throw new Error(`tshark: ${stderr}`)
      return stdout.split('\n').filter(Boolean).length
    }
    say('bench: reading the capture')
    return [
      ...figures,
      figure('segments and datagrams with a wrong checksum', 'of them', [way.badChecksums()], 1),
      {
        ...figure('captured packets with TCP inside of L2TP', 'of them', [await read('l2tp && tcp')]),
        least: Math.min(CAPTURED, bytes / 1400) / 2,
      },
      figure('of them malformed, or with a wrong checksum inside', 'of them', [await read(FAULTS)], 1),
    ]
  } finally {
    for (const end of ends.reverse()) await end()
  }
}
