import { readFile } from 'node:fs/promises'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { blockEverything, parseAllowlist, type Allowlist } from '../src/allowlist.ts'
import { AllowlistUnmatched, oneLine } from '../src/errors.ts'
import { followFile } from '../src/followed-file.ts'

declare module 'fastify' {
  interface FastifyInstance { allowlist: Allowlist }
}

const noRules = { everybody: {}, rules: [] }
const lookEveryMs = 80 // taken at the second look, so within 250 ms

/**
 * `allowlist`: who may call what. Without a valid file nothing may be called, and the log says so; a name that no tool
 * has stops the boot. A file that changes is taken over whole; one that can't be used changes nothing.
 */
const allowlist: FastifyPluginAsync = async (fastify) => {
  const path = fastify.config.ALLOWLIST_PATH
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => error)
  let current = blockEverything
  try {
    if (typeof text !== 'string') throw text
    current = parseAllowlist(text, path)
  } catch (error) {
    fastify.log.error({ path, ...reasonOf(error) }, 'no valid allowlist: every tool is blocked')
  }

  fastify.decorate('allowlist', {
    get digest () { return current.digest },
    unmatched: (toolNames) => current.unmatched(toolNames),
    allows: (principal, toolName) => current.allows(principal, toolName),
    rolesOf: (principal) => current.rolesOf?.(principal) ?? [],
    limits: (principal, toolName) => current.limits?.(principal, toolName) ?? noRules,
    explain: (role, toolName) => current.explain(role, toolName)
  } satisfies Allowlist)

  const { policyReloads } = fastify.metrics
  for (const outcome of ['ok', 'error'] as const) policyReloads.add(0, { policy: 'allowlist', outcome })
  let stop = (): void => {}
  fastify.addHook('onReady', async () => {
    refuseUnmatched(fastify, current, path)
    if (current !== blockEverything) fastify.log.info({ path, digest: current.digest }, 'allowlist loaded')
    stop = followFile({
      path,
      intervalMs: lookEveryMs,
      onText: (changed) => {
        const next = parseAllowlist(changed, path)
        refuseUnmatched(fastify, next, path)
        current = next
        policyReloads.add(1, { policy: 'allowlist', outcome: 'ok' })
        fastify.log.info({ path, digest: next.digest }, 'allowlist reloaded')
        fastify.mcp.notify.toolsChanged()
      },
      onError: (error) => {
        policyReloads.add(1, { policy: 'allowlist', outcome: 'error' })
        fastify.log.error({ path, ...reasonOf(error), digest: current.digest }, current === blockEverything ? 'no valid allowlist yet: every tool is blocked' : 'the allowlist has changed and can\'t be used: the last good one stays')
      }
    }, typeof text === 'string' ? text : undefined)
  })
  fastify.addHook('onClose', async () => { stop() })
}

/** @throws AllowlistUnmatched */
function refuseUnmatched ({ tools }: FastifyInstance, policy: Allowlist, path: string): void {
  const names = tools.list().map(({ name }) => name)
  const unmatched = policy.unmatched(names)
  if (unmatched.length > 0) throw oneLine(new AllowlistUnmatched(path, unmatched.join(', '), names.join(', ')))
}

function reasonOf (error: unknown): { code?: string, reason: string } {
  const { code, message } = error as NodeJS.ErrnoException
  return { code, reason: code === 'ENOENT' ? 'the file of ALLOWLIST_PATH is missing' : message }
}

export default fp(allowlist, { name: 'allowlist', fastify: '5.x', dependencies: ['env', 'telemetry'], decorators: { fastify: ['config', 'metrics'] } })
