import { EventEmitter } from 'node:events'
import { apiVersionOf, kinds, type Kind } from './kinds.ts'

export interface Stored { kind: string, metadata: { name: string, namespace?: string, [field: string]: any }, spec?: any, [field: string]: any }
export interface Change { type: 'ADDED' | 'MODIFIED' | 'DELETED', kind: Kind, object: Stored }

/** Objects of a cluster in which everything is ready at once, but Jobs and Pods whose names are in `failing`, with their logs. */
export class Store {
  readonly failing = new Map<string, string>()
  readonly changes = new EventEmitter<{ change: [Change] }>()
  readonly #objects = new Map<string, Stored>()
  #revision = 1

  get revision (): string {
    return String(this.#revision)
  }

  get (kind: Kind, namespace: string | undefined, name: string): Stored | undefined {
    return this.#objects.get(keyOf(kind, namespace, name))
  }

  list (kind: Kind, namespace: string | undefined): Stored[] {
    return [...this.#objects].filter(([key]) => key.startsWith(keyOf(kind, namespace, ''))).map(([, object]) => object)
  }

  /** Everything there is, as `Kind name`. */
  names (): string[] {
    return [...this.#objects.values()].filter(({ kind }) => kind !== 'Namespace').map(({ kind, metadata }) => `${kind} ${metadata.name}`).sort()
  }

  put (kind: Kind, namespace: string | undefined, object: Stored): Stored {
    const key = keyOf(kind, namespace, object.metadata.name)
    const before = this.#objects.get(key)
    const generation = (before?.metadata.generation ?? 0) + 1
    const metadata = { ...object.metadata, namespace, uid: before?.metadata.uid ?? `uid-${this.#revision}`, creationTimestamp: '2026-01-01T00:00:00Z', resourceVersion: String(++this.#revision), generation }
    const stored = { ...object, apiVersion: apiVersionOf(kind), kind: kind.kind, metadata, status: this.#statusOf(kind.kind, object, generation) }
    this.#objects.set(key, stored)
    this.changes.emit('change', { type: before === undefined ? 'ADDED' : 'MODIFIED', kind, object: stored })
    if (kind.kind === 'Job' && this.failing.has(object.metadata.name)) this.put(podKind, namespace, podOf(object))
    return stored
  }

  delete (kind: Kind, namespace: string | undefined, name: string): Stored | undefined {
    const object = this.get(kind, namespace, name)
    this.#objects.delete(keyOf(kind, namespace, name))
    if (object?.kind === 'Job') this.delete(podKind, namespace, podOf(object).metadata.name)
    if (object !== undefined) this.changes.emit('change', { type: 'DELETED', kind, object: { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#revision) } } })
    return object
  }

  #statusOf (kind: string, { metadata: { name }, spec }: Stored, generation: number): unknown {
    const fails = this.failing.has(name)
    if (kind === 'Job') return fails ? { failed: 1, conditions: [{ type: 'Failed', status: 'True', reason: 'BackoffLimitExceeded', message: 'the migration failed' }] } : { succeeded: 1, conditions: [{ type: 'Complete', status: 'True' }] }
    if (kind === 'Pod') return { phase: fails ? 'Failed' : 'Succeeded' }
    if (kind !== 'Deployment') return undefined
    const replicas = spec.replicas ?? 1
    return { observedGeneration: generation, replicas, updatedReplicas: replicas, readyReplicas: replicas, availableReplicas: replicas, conditions: [{ type: 'Available', status: 'True' }, { type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable' }] }
  }
}

const podKind = kinds.find(({ kind }) => kind === 'Pod') as Kind
const podOf = ({ metadata: { name }, spec }: Stored): Stored => ({ kind: 'Pod', metadata: { name: `${name}-1`, labels: { 'job-name': name } }, spec: spec.template.spec })

const keyOf = ({ group, plural }: Kind, namespace = '', name: string): string => `${group}/${plural}/${namespace}/${name}`
