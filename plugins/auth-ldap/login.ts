/** One login, or one look at whether somebody may stay: its steps, which the trail shows, and what they come to. */
import type { AuthenticateVerdict, Call, Grant, Proof, Random, RevalidateVerdict } from 'burrow'
import { stateOf } from './account-state.ts'
import { refusalOf } from './bind-answers.ts'
import type { BindFailures } from './bind-failures.ts'
import type { BindPool } from './bind-pool.ts'
import type { Budget } from './budget.ts'
import type { BindAnswer, Connection } from './connection.ts'
import { isMethod, type Method } from './directories.ts'
import type { Entry } from './entry.ts'
import type { EntryCache } from './entry-cache.ts'
import { RequestFailure, ServerFailure, Unavailable } from './failures.ts'
import { grantOfEntry, inPrecedence } from './grant.ts'
import { type Group, groupsOf, isIn, namesOf, type Search, TooManyGroups } from './groups.ts'
import { bindName, type Name } from './names.ts'
import type { Plan } from './plan.ts'
import { findUser, readEntry } from './search.ts'
import { verifySecret } from './secrets.ts'
import type { ServiceLink } from './service-link.ts'

/** What every login of a directory shares. */
export interface DirectoryParts {
  readonly plan: Plan
  readonly methods: readonly Method[]
  /** Absent: users are bound without a search. */
  readonly link: ServiceLink | undefined
  readonly pool: BindPool
  readonly failures: BindFailures
  readonly cache: EntryCache<Entry>
  readonly random: Random
  readonly wallTimeMs: () => number
  readonly newBudget: () => Budget
}

type Outcome =
  | { readonly kind: 'allowed'; readonly user: string; readonly grant: Omit<Grant, 'user'> }
  | { readonly kind: 'refused' }
  | { readonly kind: 'unknown' }

const REFUSED: Outcome = { kind: 'refused' }
const UNKNOWN: Outcome = { kind: 'unknown' }
const NOBODYS_BYTES = 16
/** Groups that a line of the trail names. */
const MOST_SHOWN = 12
const MOST_REFERRALS = 3
/** Active Directory refers every search of a whole domain to these, which hold no users and no groups of users. */
const PARTITIONS = /\/(?:CN=Configuration|DC=DomainDnsZones|DC=ForestDnsZones),/i

export class Login {
  readonly #parts: DirectoryParts
  readonly #name: Name
  readonly #budget: Budget
  readonly #steps: string[] = []

  constructor(parts: DirectoryParts, name: Name) {
    this.#parts = parts
    this.#name = name
    this.#budget = parts.newBudget()
  }

  async prove(proof: Proof, call: Call): Promise<AuthenticateVerdict | undefined> {
    const { methods, plan } = this.#parts
    const { unknownUser } = plan.options
    const { method } = proof
    if (!isMethod(method) || !methods.includes(method)) {
      const reason = `its users may use ${methods.join(', ')}, and this was ${method}`
      return { kind: 'renegotiate', methods, reason }
    }
    const outcome = await this.#outcome(() =>
      method === 'pap' ? this.#byBind(proof.password() ?? '', call) : this.#bySecret(method, proof),
    )
    if (outcome.kind === 'unavailable') return { kind: 'unavailable', reason: this.#reason() }
    if (outcome.kind === 'refused') return { kind: 'reject', reason: this.#reason() }
    if (outcome.kind === 'unknown') return unknownUser === 'next' ? undefined : this.#reject('unknown user')
    return { kind: 'accept', user: outcome.user, grant: outcome.grant, reason: this.#reason() }
  }

  async mayStay(link: ServiceLink): Promise<RevalidateVerdict | undefined> {
    const outcome = await this.#outcome(async () => {
      const search = this.#over(link)
      const entry = await findUser(this.#parts.plan, this.#name, this.#parts.plan.attributes, search)
      if (typeof entry === 'string') return this.#notOne(entry)
      this.#steps.push(entry.dn)
      return this.#authorise(entry, false, search)
    })
    if (outcome.kind === 'unknown') return undefined
    if (outcome.kind === 'allowed') return { kind: 'accept', grant: outcome.grant }
    return { kind: outcome.kind === 'refused' ? 'deny' : 'unavailable', reason: this.#reason() }
  }

  async #outcome(decide: () => Promise<Outcome>): Promise<Outcome | { readonly kind: 'unavailable' }> {
    try {
      return await decide()
    } catch (error) {
      if (error instanceof TooManyGroups) return this.#refuse(error.message)
      if (
        !(error instanceof Unavailable || error instanceof ServerFailure || error instanceof RequestFailure)
      )
        throw error
      this.#steps.push(`temporary failure: ${error.message}`)
      return { kind: 'unavailable' }
    }
  }

  /** PAP: the directory itself is asked, by a bind as the user. */
  async #byBind(password: string, call: Call): Promise<Outcome> {
    if (password === '') return this.#refuse('empty password')
    const { plan, link } = this.#parts
    const { bindAs } = plan.options
    if (bindAs !== undefined || link === undefined) return this.#bindFirst(bindAs ?? '', password, call)
    const search = this.#over(link)
    const entry = await this.#find(search)
    if (typeof entry === 'string') {
      // It takes as long as a wrong password; the password of this one goes nowhere.
      await this.#parts.pool.run(call, this.#budget, (connection, timeoutMs) =>
        connection.bind(this.#nobody(), this.#noPassword(), timeoutMs),
      )
      return this.#notOne(entry)
    }
    const bind = (connection: Connection, timeoutMs: number) => connection.bind(entry.dn, password, timeoutMs)
    const right = await this.#bound(entry.dn, call, bind)
    return right === true ? await this.#authorise(entry, true, search) : right
  }

  /** Without a search before: the user reads its own entry. */
  async #bindFirst(bindAs: string, password: string, call: Call): Promise<Outcome> {
    const { plan } = this.#parts
    const who = bindName(bindAs, this.#name)
    let outcome: Outcome | undefined
    const right = await this.#bound(who, call, async (connection, timeoutMs) => {
      const answer = await connection.bind(who, password, timeoutMs)
      if (answer.kind !== 'right') return answer
      const before = this.#steps.length
      this.#steps.push(`bound as ${who}`)
      const search: Search = request => connection.search(request, this.#budget.call(plan.options.timeoutMs))
      try {
        const entry = bindAs.includes('=')
          ? await readEntry(plan, this.#name, who, search)
          : await findUser(plan, this.#name, plan.attributes, search)
        if (typeof entry === 'string') outcome = this.#refuse(`its own entry cannot be read (${entry})`)
        else {
          this.#steps.push(entry.dn)
          outcome = await this.#authorise(entry, true, search)
        }
      } catch (error) {
        // The whole may be tried again.
        this.#steps.length = before
        throw error
      }
      return answer
    })
    return right === true ? (outcome ?? REFUSED) : right
  }

  /** CHAP and MS-CHAPv2: we compare ourselves. */
  async #bySecret(method: Method, proof: Proof): Promise<Outcome> {
    const { plan, link } = this.#parts
    if (link === undefined) throw new Unavailable('nobody can read the attributes: there is no `service`')
    const search = this.#over(link)
    const entry = await findUser(plan, this.#name, plan.toVerify[method], search)
    const { clearTextAttribute, ntHashAttribute } = plan.options
    const own = typeof entry === 'string' ? undefined : entry
    const { right, text } = verifySecret(proof, own, { clearTextAttribute, ntHashAttribute }, this.#nobodys())
    if (typeof entry === 'string') return this.#notOne(entry)
    this.#steps.push(entry.dn, text)
    return right ? this.#authorise(entry, false, search) : REFUSED
  }

  /** The user's entry; a kept one holds no password, which a bind does not need. */
  async #find(search: Search): Promise<Entry | 'unknown' | 'ambiguous'> {
    const { plan, cache } = this.#parts
    const kept = cache.get(this.#name.user)
    if (kept !== undefined) {
      this.#steps.push(`${kept.dn} (kept)`)
      return kept
    }
    const entry = await findUser(plan, this.#name, plan.attributes, search)
    if (typeof entry === 'string') return entry
    this.#steps.push(entry.dn)
    cache.set(this.#name.user, entry)
    return entry
  }

  /** Whether the directory lets the user in, if it may be asked: true, or what that comes to. */
  async #bound(
    who: string,
    call: Call,
    bind: (connection: Connection, timeoutMs: number) => Promise<BindAnswer>,
  ): Promise<true | Outcome> {
    const { failures, pool, plan } = this.#parts
    const { bindFailures, bindFailuresWindowS, bindAs } = plan.options
    let where = ''
    const ask = () =>
      pool.run(call, this.#budget, (connection, timeoutMs) => {
        where = connection.server.name
        return bind(connection, timeoutMs)
      })
    const limit = { failures: bindFailures, windowMs: bindFailuresWindowS * 1000 }
    const isWrong = (answer: BindAnswer) =>
      !call.dryRun && answer.kind === 'wrong' && refusalOf(answer.text).wrongPassword
    const answer = await this.#budget.within(
      'the bind',
      failures.run(`${plan.key} ${who.toLowerCase()}`, limit, ask, isWrong),
    )
    if (answer.kind === 'held')
      return this.#refuse(
        `held back for ${answer.forS} s: ${bindFailures} wrong passwords, and the directory is not asked, so that it does not lock the account`,
      )
    if (answer.kind === 'right') {
      if (bindAs === undefined) this.#steps.push(`bound at ${where}`)
      return true
    }
    const { text, unknownUser } = refusalOf(answer.text)
    if (unknownUser) return UNKNOWN
    return this.#refuse(`${text} (bind as ${who} at ${where})`)
  }

  /** Who has proved to be the user: may it come in, and with what? `bound`: the directory let it in by itself. */
  async #authorise(entry: Entry, bound: boolean, search: Search): Promise<Outcome> {
    const { plan, wallTimeMs } = this.#parts
    const { groups: rules, groupGrants, grant, attributes } = plan.options
    const state = stateOf(entry, plan.state, { wallTimeMs: wallTimeMs(), bound })
    if (state.kind === 'bad') return this.#refuse(state.text)
    const groups = plan.wantsGroups ? await groupsOf(entry, this.#name, plan.groups, search) : []
    if (plan.wantsGroups) this.#steps.push(groupsText(groups))
    const isInGroup = (wanted: string) => isIn(groups, wanted, plan.groups.base)
    const refused = rules.refused.find(isInGroup)
    if (refused !== undefined) return this.#refuse(`in the refused group ${refused}`)
    const required = rules.required?.find(isInGroup)
    if (rules.required !== undefined && required === undefined)
      return this.#refuse(`in none of the required groups ${rules.required.join(', ')}`)
    if (required !== undefined) this.#steps.push(`required group ${required}`)
    const own = grantOfEntry(entry, attributes)
    if (own.kind === 'unreadable') return this.#refuse(own.text)
    const ofGroups = groupGrants.filter(({ group }) => isInGroup(group))
    if (ofGroups.length > 0)
      this.#steps.push(`granted by group ${ofGroups.map(({ group }) => group).join(', ')}`)
    if (Object.keys(own.grant).length > 0)
      this.#steps.push(`by attribute ${Object.keys(own.grant).join(', ')}`)
    const granted = inPrecedence([own.grant, ...ofGroups.map(each => each.grant), grant])
    return {
      kind: 'allowed',
      user: this.#acceptedName(entry),
      grant: {
        ...granted,
        ...shorter(granted, state.forS),
        ...(rules.granted ? { groups: namesOf(groups, plan.groups.base) } : {}),
      },
    }
  }

  #acceptedName(entry: Entry): string {
    const { plan } = this.#parts
    const { user, account, realm } = this.#name
    if (plan.acceptedName === 'given') return user
    const { nameCase } = plan.options
    const values = entry
      .texts(plan.userAttribute)
      .map(value => (nameCase === 'fold' ? value.toLowerCase() : value))
    const canonical = values.includes(account) ? account : (values[0] ?? account)
    return plan.acceptedName === 'account' || realm === undefined ? canonical : `${canonical}@${realm}`
  }

  #over(link: ServiceLink): Search {
    return request =>
      link.run(this.#budget, this.#parts.plan.options.timeoutMs, async (connection, timeoutMs) => {
        const found = await connection.search(request, timeoutMs)
        if (this.#steps.length === 0) this.#steps.push(connection.server.name)
        const elsewhere = found.referrals.filter(url => !PARTITIONS.test(url))
        if (found.entries.length === 0 && elsewhere.length > 0)
          this.#steps.push(
            `referred to ${elsewhere.slice(0, MOST_REFERRALS).join(', ')}, which is not followed`,
          )
        return found
      })
  }

  #notOne(what: 'unknown' | 'ambiguous'): Outcome {
    return what === 'unknown' ? UNKNOWN : this.#refuse('the filter finds several entries for this name')
  }

  #refuse(text: string): Outcome {
    this.#steps.push(text)
    return REFUSED
  }

  #reject(text: string): AuthenticateVerdict {
    this.#steps.push(text)
    return { kind: 'reject', reason: this.#reason() }
  }

  #reason(): string {
    return this.#steps.join('; ')
  }

  /** An entry that is not there, where the others are. */
  #nobody(): string {
    const { plan, random } = this.#parts
    return `${plan.userAttribute}=burrow-nobody-${Buffer.from(random.bytes(8)).toString('hex')},${plan.options.base}`
  }

  #noPassword(): string {
    return Buffer.from(this.#nobodys()).toString('hex')
  }

  #nobodys(): Uint8Array {
    return this.#parts.random.bytes(NOBODYS_BYTES)
  }
}

function groupsText(groups: readonly Group[]): string {
  if (groups.length === 0) return 'in no group'
  const names = groups
    .map(({ name }) => name)
    .sort()
    .slice(0, MOST_SHOWN)
  const more = groups.length > names.length ? ` and ${groups.length - names.length} more` : ''
  return `in ${names.join(', ')}${more}`
}

/** A session ends with the hours, or the account, of its user. */
function shorter({ sessionTimeoutS }: Partial<Grant>, forS: number | undefined): Partial<Grant> {
  return forS === undefined ? {} : { sessionTimeoutS: Math.min(sessionTimeoutS ?? forS, forS) }
}
