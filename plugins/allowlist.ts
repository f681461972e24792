import { readFile } from 'node:fs/promises'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { blockEverything, parseAllowlist, type Allowlist } from '../src/allowlist.ts'

declare module 'fastify' {
  interface FastifyInstance { allowlist: Allowlist }
}

/** `allowlist`: which tools may be called. Without a valid file nothing may, and the log says so. */
const allowlist: FastifyPluginAsync = async (fastify) => {
  const path = fastify.config.ALLOWLIST_PATH
  fastify.decorate('allowlist', await load(path).catch((error: NodeJS.ErrnoException) => {
    fastify.log.error({ path, code: error.code, reason: error.code === 'ENOENT' ? 'the file of ALLOWLIST_PATH is missing' : error.message }, 'no valid allowlist: every tool is blocked')
    return blockEverything
  }))

  fastify.addHook('onReady', async () => {
    const known = new Set(fastify.tools.list().map(({ name }) => name))
    for (const tool of fastify.allowlist.tools) {
      if (!known.has(tool)) fastify.log.error({ path, tool, known: [...known] }, 'the allowlist names a tool that does not exist')
    }
  })
}

async function load (path: string): Promise<Allowlist> {
  return parseAllowlist(await readFile(path, 'utf8'), path)
}

export default fp(allowlist, { name: 'allowlist', fastify: '5.x', dependencies: ['env'], decorators: { fastify: ['config'] } })
