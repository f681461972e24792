import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { CommitUnknown, TenantUnusable, TransactionFailed } from '../errors.ts'
import { within } from '../within.ts'
import { isConnectionLoss, isServersAnswer } from './losses.ts'

/** Asks a transaction's fate on another connection: committed, aborted, in progress, or null when it is too old to be known. */
export type AskFate = (xid: string) => Promise<string | null>

const commitMs = 10_000
const askForMs = 10_000
const answerMs = 2_000
const pauseMs = 50
const mostPauseMs = 500

/** One message that begins a transaction: so the call's first statement needs no round trip more than itself. */
export function beginning ({ isWrite, tenant }: { isWrite: boolean, tenant?: string }): string {
  if (tenant?.includes('\0') === true) throw new TenantUnusable()
  const settings = tenant === undefined ? [] : [`set_config('portcullis.tenant', ${pg.escapeLiteral(tenant)}, true)`]
  const wanted = isWrite ? ['pg_current_xact_id()::text as xid', ...settings] : settings
  return `begin ${isWrite ? 'read write' : 'read only'}${wanted.length === 0 ? '' : `; select ${wanted.join(', ')}`}`
}

/** The transaction's id, which tells later whether it was committed. */
export function xidOf (results: unknown): string {
  return (results as pg.QueryResult[]).at(-1)?.rows[0].xid
}

/**
 * Commits. An answer that is lost with its connection is looked up, not guessed.
 * @throws TransactionFailed when a statement had failed, the database's own error, a loss when the transaction was aborted, CommitUnknown when nobody can tell
 */
export async function commit (client: pg.ClientBase, xid: string, askFate: AskFate): Promise<void> {
  try {
    const { command } = await within(commitMs, client.query('commit'))
    if (command !== 'COMMIT') throw new TransactionFailed()
  } catch (error) {
    if (error instanceof TransactionFailed || (isServersAnswer(error) && !isConnectionLoss(error))) throw error
    if (!await wasCommitted(xid, askFate)) throw error
  }
}

async function wasCommitted (xid: string, askFate: AskFate): Promise<boolean> {
  const deadline = Date.now() + askForMs
  for (let pause = pauseMs; Date.now() < deadline; pause = Math.min(mostPauseMs, pause * 2)) {
    const fate = await within(answerMs, askFate(xid)).catch(() => 'unreachable')
    if (fate === 'committed') return true
    if (fate === 'aborted') return false
    await delay(pause)
  }
  throw new CommitUnknown()
}
