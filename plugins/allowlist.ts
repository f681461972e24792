import { readFile } from 'node:fs/promises'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { blockEverything, parseAllowlist, type Allowlist } from '../src/allowlist.ts'
import { AllowlistUnmatched, oneLine } from '../src/errors.ts'

declare module 'fastify' {
  interface FastifyInstance { allowlist: Allowlist }
}

/** `allowlist`: which tools may be called. Without a valid file nothing may, and the log says so; a name that no tool has stops the boot. */
const allowlist: FastifyPluginAsync = async (fastify) => {
  const path = fastify.config.ALLOWLIST_PATH
  fastify.decorate('allowlist', await load(path).catch((error: NodeJS.ErrnoException) => {
    fastify.log.error({ path, code: error.code, reason: error.code === 'ENOENT' ? 'the file of ALLOWLIST_PATH is missing' : error.message }, 'no valid allowlist: every tool is blocked')
    return blockEverything
  }))

  fastify.addHook('onReady', async () => {
    const unmatched = fastify.allowlist.named.filter((name) => fastify.tools.get(name) === undefined)
    if (unmatched.length > 0) throw oneLine(new AllowlistUnmatched(path, unmatched.join(', '), fastify.tools.list().map(({ name }) => name).join(', ')))
  })
}

async function load (path: string): Promise<Allowlist> {
  return parseAllowlist(await readFile(path, 'utf8'), path)
}

export default fp(allowlist, { name: 'allowlist', fastify: '5.x', dependencies: ['env'], decorators: { fastify: ['config'] } })
