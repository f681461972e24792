import type { FastifyInstance } from 'fastify'

const isFastifyCli = /[\\/](fastify-cli[\\/]cli\.js|fastify)$/.test(process.argv[1] ?? '')

/**
 * Whether the app is a guest in somebody else's server, whose listener, log level and 404 are not its business.
 * fastify-cli without `-o` encapsulates the app too, but then nothing else is registered on the root.
 */
export function isGuest (fastify: FastifyInstance): boolean {
  if (isRoot(fastify)) return false
  const parent = Object.getPrototypeOf(fastify) as FastifyInstance
  return !(isFastifyCli && isRoot(parent) && parent.pluginName === 'fastify')
}

/** An encapsulated instance inherits from the one it was registered on. */
function isRoot (fastify: FastifyInstance): boolean {
  return Object.hasOwn(fastify, 'listen')
}
