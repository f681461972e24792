import { legacy, modern, type RpcRequest } from './rpc.ts'
import type { ServerName } from './servers.ts'

export const baselines = ['bare', 'fastify-pg', 'echo'] as const
export type Baseline = typeof baselines[number]

export interface Case {
  name: string
  title: string
  server: ServerName
  baselines: readonly Baseline[]
  /** How many times the requests of a round it gets; default 1. */
  times?: number
  /** HTTP status of the answers; default 200. */
  status?: number
  /** Sent once before anything else, to use up what there is. */
  spend?: RpcRequest
  /** What an answer may say instead: a bucket that is empty gets a token a minute. */
  orElse?: string
  /** Sent in turn. */
  requests: Array<RpcRequest & { isRight: (result: any, error: any) => boolean }>
}

const echo = { name: 'echo', arguments: { text: 'the quick brown fox jumps over the lazy dog' } }
const isEcho = (result: any): boolean => result.structuredContent?.text === echo.arguments.text && result.content?.[0]?.text === JSON.stringify(echo.arguments)
const modernEcho = { ...modern('tools/call', echo), isRight: isEcho }
const legacyEcho = { ...legacy('tools/call', echo), isRight: isEcho }

const callOf = (name: string) => modern('tools/call', { name, arguments: {} })
const isUnknown = (_result: unknown, error: any): boolean => error?.code === -32602

const listOf = (length: number) => ({ ...modern('tools/list'), isRight: (result: any) => result.tools?.length === length })

const lookUp = (id: string) => ({
  ...modern('tools/call', { name: 'get_record_detail', arguments: { record_id: id } }),
  isRight: (result: any) => result.structuredContent?.id === id && typeof result.structuredContent.name === 'string' && JSON.parse(result.content?.[0]?.text).id === id
})

// Baselines cost so little that connecting would show, and their error is in every ratio.
export const baselineTimes = 5

/** A server that has its process to itself gets as many requests as the one that several cases share, or its code would be colder. */
const sharedTimes = 6

/** What is measured, in the order of a round. The baselines are cases too. */
export function casesOn (recordIds: string[]): Case[] {
  const lookups = recordIds.map(lookUp)
  return [
    { name: 'bare', title: 'bare Fastify route, echo', server: 'bare', baselines: [], times: baselineTimes, requests: [modernEcho] },
    { name: 'echo', title: 'tools/call echo', server: 'four', baselines: ['bare'], requests: [modernEcho] },
    { name: 'echo-legacy', title: 'tools/call echo, 2025-11-25 client', server: 'four', baselines: ['bare'], requests: [legacyEcho] },
    { name: 'echo-metered', title: 'tools/call echo, metrics sent to a collector', server: 'metered', baselines: ['bare', 'echo'], times: sharedTimes, requests: [modernEcho] },
    { name: 'echo-traced', title: 'the same with traces and logs, all sampled', server: 'traced', baselines: ['bare', 'echo'], times: sharedTimes, requests: [modernEcho] },
    { name: 'echo-150', title: 'tools/call echo, 150 tools', server: 'many', baselines: ['bare'], requests: [modernEcho] },
    { name: 'list-4', title: 'tools/list, 4 tools', server: 'four', baselines: ['bare'], requests: [listOf(4)] },
    { name: 'list-150', title: 'tools/list, 150 tools', server: 'many', baselines: ['bare'], requests: [listOf(150)] },
    { name: 'fastify-pg', title: 'Fastify route with pg, same SELECT', server: 'fastify-pg', baselines: ['bare'], times: baselineTimes, requests: lookups },
    { name: 'lookup', title: 'tools/call get_record_detail', server: 'four', baselines: ['bare', 'fastify-pg'], requests: lookups },
    { name: 'denied', title: 'a tool that is not allowed', server: 'four', baselines: ['bare', 'echo'], requests: [{ ...callOf('denied'), isRight: isUnknown }] },
    { name: 'unknown', title: 'a tool that does not exist', server: 'four', baselines: ['bare', 'echo'], requests: [{ ...callOf('no_such_tool'), isRight: isUnknown }] },
    { name: 'limited', title: 'a tool whose bucket is empty', server: 'four', baselines: ['bare', 'echo'], spend: callOf('search_records'), orElse: 'query is required', requests: [{ ...callOf('search_records'), isRight: (result) => result._meta?.['io.portcullis/outcome'] === 'limited' }] },
    { name: 'refused', title: 'a request past its budget, HTTP 429', server: 'spent', baselines: ['bare', 'echo'], status: 429, spend: callOf('no_such_tool'), orElse: echo.arguments.text, requests: [{ ...modernEcho, isRight: (_result, error) => error?.code === 4005 }] }
  ]
}
