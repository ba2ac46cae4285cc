/** The rules in words, and what they say of a packet that somebody asks about. */
import { ipv6Form, type PolicyFinding, type PolicyQuestion, type PolicyRow, parseIpv4 } from 'burrow'
import { applicationsOf, type Meaning } from './compile.ts'
import type { NamedRule } from './config.ts'
import { appliesTo, LOCAL } from './rule.ts'
import { type Application, Service } from './services.ts'
import { invalid } from './zones.ts'

const SAYS = { permit: 'permits', deny: 'denies', reject: 'rejects' } as const

type Listed = readonly { readonly text: string }[] | undefined

const texts = (list: Listed): string => list?.map(({ text }) => text).join(', ') ?? 'any'

export function rowOf(rule: NamedRule, active: boolean, decided: number | undefined): PolicyRow {
  const { name, from, to, source, destination, service, action, users, groups, realms, filter, time } = rule
  const conditions = [
    ['user', users],
    ['group', groups],
    ['realm', realms],
    ['filter', filter === undefined ? undefined : [filter]],
    ['at', time?.map(({ text }) => text)],
  ] as const
  return {
    name,
    from,
    to,
    source: texts(source),
    destination: texts(destination),
    service: texts(service),
    condition: conditions.flatMap(([what, list]) => (list ? [`${what} ${list.join(', ')}`] : [])).join('; '),
    action,
    active,
    ...(decided === undefined ? {} : { decided }),
  }
}

export interface Asked extends Meaning {
  /** In order, whether they count now or not. */
  readonly rules: readonly NamedRule[]
  readonly isActive: (rule: NamedRule) => boolean
  readonly ownAddresses: readonly string[]
}

export function verdictOf(asked: Asked, question: PolicyQuestion): PolicyFinding {
  const { rules, zones } = asked
  const ends = { source: addressOf(question.source), destination: addressOf(question.destination) }
  const zoneOf = (address: string) => (asked.ownAddresses.includes(address) ? LOCAL : zones.zoneOf(address))
  const from = question.from ?? zoneOf(ends.source)
  const to = question.to ?? zoneOf(ends.destination)
  for (const [zone, address] of [
    [from, ends.source],
    [to, ends.destination],
  ] as const)
    if (zoneOf(address) !== zone)
      throw invalid(`${address} is no address of zone ${zone}, it is in ${zoneOf(address)}`)
  const passed: PolicyFinding['passed'][number][] = []
  const service = serviceOf(question.service, asked)
  for (const rule of rules) {
    if (rule.from !== from || rule.to !== to) continue
    const because = mismatch(asked, rule, { ...question, ...ends }, service)
    if (because === undefined) {
      const reason = `rule "${rule.name}" ${SAYS[rule.action]} it`
      return { action: rule.action, rule: rule.name, reason, passed }
    }
    passed.push({ rule: rule.name, because })
  }
  return { action: 'deny', reason: `no rule from ${from} to ${to} matches, so it is denied`, passed }
}

/** What of the rule does not match. */
function mismatch(
  asked: Asked,
  rule: NamedRule,
  { user = '', groups = [], filter, source, destination }: PolicyQuestion,
  service: Service,
): string | undefined {
  const { zones, isActive } = asked
  const who = { user, groups, ...(filter === undefined ? {} : { filter }) }
  if (!isActive(rule)) return `it does not count now, but at ${texts(rule.time)}`
  if (!appliesTo(rule, who)) return 'it is for other sessions'
  if (!zones.lists(rule.source, source)) return `source ${texts(rule.source)}`
  if (!zones.lists(rule.destination, destination)) return `destination ${texts(rule.destination)}`
  if (rule.service === undefined) return undefined
  const wanted = applicationsOf([service], asked)
  const own = applicationsOf(rule.service, asked)
  return wanted.every(one => own.some(other => covers(other, one)))
    ? undefined
    : `service ${texts(rule.service)}`
}

/** All of one application is part of another. */
function covers(wide: Application, narrow: Application): boolean {
  if (wide.protocol !== undefined && wide.protocol !== narrow.protocol) return false
  const ports = narrow.destinationPorts ?? [{ from: 0, to: 65_535 }]
  const isWithin = ({ from, to }: { readonly from: number; readonly to: number }) =>
    wide.destinationPorts?.some(one => one.from <= from && to <= one.to) ?? true
  return (
    ports.every(isWithin) &&
    hasAll(wide.icmpTypes, narrow.icmpTypes) &&
    hasAll(wide.icmpv6Types, narrow.icmpv6Types)
  )
}

const hasAll = (all: readonly number[] | undefined, some: readonly number[] | undefined): boolean =>
  all === undefined || (some?.every(one => all.includes(one)) ?? false)

function serviceOf(text: string, { services }: Meaning): Service {
  const { data, error } = Service.safeParse(text)
  if (data === undefined) throw invalid(error?.issues[0]?.message ?? text)
  if (data.applications === undefined && !Object.hasOwn(services, text))
    throw invalid(`there is no service "${text}"`)
  return data
}

function addressOf(text: string): string {
  const address = parseIpv4(text) === undefined ? ipv6Form(text) : text
  if (address === undefined) throw invalid(`${text} is no address`)
  return address
}
