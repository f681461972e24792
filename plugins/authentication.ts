import { readFile } from 'node:fs/promises'
import type { FastifyInstance, FastifyPluginAsync, onRequestHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { uses } from '../config/rules.ts'
import { noKeys, parseKeys, type KeyRing } from '../src/api-keys.ts'
import { createKeyCheck, presentedKey } from '../src/credentials.ts'
import { ApiKeysInvalid, oneLine } from '../src/errors.ts'
import { followFile } from '../src/followed-file.ts'
import { createIdentify, Refusal } from '../src/identify.ts'
import type { Principal } from '../src/mcp/tool.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** An onRequest hook for routes that need to know who is calling. */
    authenticate: onRequestHookHandler
    /** Called when keys are taken out or added. */
    keysChanged: Set<() => void>
  }
  interface FastifyRequest { principal: Principal }
}

const anonymous: Principal = Object.freeze({ id: 'anonymous', kind: 'anonymous', roles: Object.freeze(['anonymous']) })
const singleKey: Principal = Object.freeze({ id: 'default', kind: 'api-key', roles: Object.freeze(['default']) })
const lookEveryMs = 80 // taken at the second look, so a key is dead within 250 ms

/** `request.principal`: who is calling. Guards only the routes that use `authenticate`. */
const authentication: FastifyPluginAsync = async (fastify) => {
  const { config, oauth } = fastify
  fastify.decorateRequest('principal', null as unknown as Principal)
  fastify.decorate('keysChanged', new Set<() => void>())

  if (config.AUTH_MODE === 'none') {
    fastify.decorate('authenticate', (request, _reply, done) => {
      request.principal = anonymous
      done()
    })
    return
  }

  const identify = createIdentify({ findKey: uses(config, 'api-key') ? await keyHolders(fastify) : undefined, oauth })
  fastify.decorate('authenticate', (request, reply, done) => {
    const settle = (answer: Principal | Refusal): void => {
      if (answer instanceof Refusal) {
        reply.header(...answer.header)
        return done(answer.error)
      }
      request.principal = answer
      done()
    }
    const answer = identify(presentedKey(request.raw))
    if (answer instanceof Promise) answer.then(settle, done)
    else settle(answer)
  })
}

/** Finds whose API key it is: that of API_KEY, or one of API_KEYS_FILE as it is now. */
async function keyHolders (fastify: FastifyInstance): Promise<(key: string) => Principal | undefined> {
  const { API_KEY, API_KEYS_FILE } = fastify.config
  const isSingleKey = API_KEY === undefined ? () => false : createKeyCheck(API_KEY)
  const ring = API_KEYS_FILE === undefined ? { current: noKeys } : await followKeys(fastify, API_KEYS_FILE)
  return (key) => isSingleKey(key) ? singleKey : ring.current.find(key)
}

/** The keys of a file, as it is now. A bad one stops the boot; later it changes nothing, and the log says so. */
async function followKeys (fastify: FastifyInstance, path: string): Promise<{ current: KeyRing }> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw oneLine(new ApiKeysInvalid(path, '-', `the file can't be read (${error.code})`))
  })
  const ring = { current: keysIn(text, path) }
  fastify.log.info({ path, keys: ring.current.size }, 'API keys loaded')

  const { policyReloads } = fastify.metrics
  for (const outcome of ['ok', 'error'] as const) policyReloads.add(0, { policy: 'api_keys', outcome })
  const stop = followFile({
    path,
    intervalMs: lookEveryMs,
    onText: (changed) => {
      ring.current = keysIn(changed, path)
      policyReloads.add(1, { policy: 'api_keys', outcome: 'ok' })
      for (const tell of fastify.keysChanged) tell()
      fastify.log.info({ path, keys: ring.current.size }, 'API keys reloaded')
    },
    onError: (error) => {
      policyReloads.add(1, { policy: 'api_keys', outcome: 'error' })
      fastify.log.error({ path, reason: error.message, keys: ring.current.size }, 'API_KEYS_FILE has changed and can\'t be used: the keys of before still open')
    }
  }, text)
  fastify.addHook('onClose', async () => { stop() })
  return ring
}

function keysIn (text: string, path: string): KeyRing {
  try {
    return parseKeys(text, path)
  } catch (error) {
    throw oneLine(error as Error)
  }
}

export default fp(authentication, { name: 'authentication', fastify: '5.x', dependencies: ['env', 'telemetry', 'oauth'], decorators: { fastify: ['config', 'metrics', 'oauth'] } })
