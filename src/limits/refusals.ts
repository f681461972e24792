import type { FastifyReply } from 'fastify'
import { Overloaded, TooManyRequests } from '../errors.ts'
import { tryAgainIn } from './stage.ts'

/** What a caller has used up. */
export interface Quota { name: 'attempts' | 'requests' | 'streams', most: number, isPerMinute?: boolean }

export const soonMs = 1_000

/** The error of a caller that has used up a quota; header fields of draft-ietf-httpapi-ratelimit-headers-10. */
export function tooMany (reply: FastifyReply, { name, most, isPerMinute = false }: Quota, waitMs = soonMs): Error {
  const seconds = Math.ceil(waitMs / 1000)
  reply.headers({
    'retry-after': seconds,
    'ratelimit-policy': `"${name}";q=${most};${isPerMinute ? 'w=60' : 'qu="concurrent-requests"'}`,
    ratelimit: `"${name}";r=0;t=${seconds}`
  })
  return new TooManyRequests(tryAgainIn(waitMs))
}

/** The error for everybody while the server has too much to do. */
export function tooBusy (reply: FastifyReply): Error {
  const seconds = soonMs / 1000
  reply.header('retry-after', seconds)
  return new Overloaded(String(seconds))
}
