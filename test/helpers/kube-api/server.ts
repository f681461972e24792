import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'
import { parse } from 'yaml'
import { discovery } from './discovery.ts'
import { apiVersionOf, kinds, pathOf, type Kind } from './kinds.ts'
import { Store, type Change, type Stored } from './store.ts'

export interface KubeApi {
  url: string
  store: Store
  /** What was created or changed, in order, as `Kind name`. */
  written: string[]
}

interface Asked { kind: Kind, namespace?: string, name?: string, query: URLSearchParams }

/** The least API that helm installs, upgrades, tests, rolls back and uninstalls on. It ends with the test. */
export async function startKubeApi (t: Test): Promise<KubeApi> {
  const store = new Store()
  const written: string[] = []
  const server = createServer((request, response) => { answer(store, written, request, response).catch((error) => { send(response, 500, failure(500, String(error))) }) })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, store, written }
}

async function answer (store: Store, written: string[], request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://stub')
  const known = discovery(pathname)
  if (known !== undefined) return send(response, 200, known)
  const [, job] = /\/pods\/([^/]+)-1\/log$/.exec(pathname) ?? []
  if (job !== undefined) {
    response.end(store.failing.get(job))
    return
  }
  const asked = resourceOf(pathname, searchParams)
  if (asked === undefined) return send(response, 404, failure(404, `nothing at ${pathname}`))
  if (request.method !== 'GET' && request.method !== 'DELETE') return write(store, written, request, response, asked)
  const { kind, namespace, name } = asked
  if (request.method === 'DELETE') return sendFound(response, store.delete(kind, namespace, name ?? ''), asked)
  if (name !== undefined) return sendFound(response, store.get(kind, namespace, name), asked)
  if (searchParams.get('watch') !== null) return watch(store, response, asked)
  send(response, 200, { apiVersion: apiVersionOf(kind), kind: `${kind.kind}List`, metadata: { resourceVersion: store.revision }, items: store.list(kind, namespace).filter((object) => isAskedFor(object, asked)) })
}

async function write (store: Store, written: string[], request: IncomingMessage, response: ServerResponse, asked: Asked): Promise<void> {
  const { kind, namespace } = asked
  const type = request.headers['content-type'] ?? ''
  const body = parse(await text(request)) as Stored // JSON is YAML
  const before = store.get(kind, namespace, asked.name ?? body.metadata.name)
  if (request.method === 'POST' && before !== undefined) return send(response, 409, failure(409, 'it is there already', 'AlreadyExists'))
  const object = request.method === 'PATCH' ? patched(before, body, type.includes('apply-patch')) : body
  object.metadata.name ??= asked.name ?? ''
  written.push(`${kind.kind} ${object.metadata.name}`)
  send(response, before === undefined ? 201 : 200, store.put(kind, namespace, object))
}

/** What is applied replaces what was there, but for the metadata that others keep. */
function patched (before: Stored | undefined, body: Stored, isApply: boolean): Stored {
  return isApply ? { ...body, metadata: { ...before?.metadata, ...body.metadata } } : merged(before ?? {}, body) as Stored
}

function merged (before: unknown, patch: unknown): unknown {
  if (patch === null || typeof patch !== 'object' || Array.isArray(patch)) return patch
  const result: Record<string, unknown> = { ...before as object }
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key]
    else result[key] = merged(result[key], value)
  }
  return result
}

/** What there is, a mark that this was all, then every change. */
function watch (store: Store, response: ServerResponse, asked: Asked): void {
  const { kind, namespace, query } = asked
  const tell = (type: string, object: unknown): void => { response.write(`${JSON.stringify({ type, object })}\n`) }
  response.writeHead(200, { 'content-type': 'application/json' })
  if (query.get('sendInitialEvents') === 'true' || !query.has('resourceVersion')) {
    for (const object of store.list(kind, namespace)) if (isAskedFor(object, asked)) tell('ADDED', object)
  }
  if (query.get('sendInitialEvents') === 'true') tell('BOOKMARK', { apiVersion: apiVersionOf(kind), kind: kind.kind, metadata: { resourceVersion: store.revision, annotations: { 'k8s.io/initial-events-end': 'true' } } })
  response.flushHeaders()
  const onChange = ({ type, kind: changed, object }: Change): void => {
    if (changed === kind && (namespace === undefined || object.metadata.namespace === namespace) && isAskedFor(object, asked)) tell(type, object)
  }
  store.changes.on('change', onChange)
  response.on('close', () => { store.changes.off('change', onChange) })
}

function isAskedFor ({ metadata }: Stored, { query }: Asked): boolean {
  const parts = (selector: string): Array<[string, string]> => (query.get(selector) ?? '').split(',').filter(Boolean).map((part) => part.split(/==?/) as [string, string])
  return parts('labelSelector').every(([key, value]) => metadata.labels?.[key] === value) && parts('fieldSelector').every(([key, value]) => key !== 'metadata.name' || metadata.name === value)
}

function resourceOf (path: string, query: URLSearchParams): Asked | undefined {
  for (const kind of kinds) {
    const base = `/${pathOf(kind.group, kind.version)}`
    const [, namespace, name] = new RegExp(`^${base}${kind.isNamespaced ? '(?:/namespaces/([^/]+))?' : '()'}/${kind.plural}(?:/([^/]+))?(?:/status)?$`).exec(path) ?? []
    if (name !== undefined || path === base + (namespace ? `/namespaces/${namespace}` : '') + `/${kind.plural}`) return { kind, namespace: namespace || undefined, name, query }
  }
  return undefined
}

const failure = (code: number, message: string, reason = code === 404 ? 'NotFound' : 'InternalError'): unknown => ({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason, message, code })

function sendFound (response: ServerResponse, object: Stored | undefined, { kind, name }: Asked): void {
  if (object === undefined) send(response, 404, failure(404, `${kind.plural} "${name}" not found`))
  else send(response, 200, object)
}

function send (response: ServerResponse, code: number, body: unknown): void {
  response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
