import { InMemoryServerEventBus, type McpServer, type ServerEventBus, type ServerNotifier } from '@modelcontextprotocol/server'
import { ExtensionLate } from '../errors.ts'
import type { Principal } from './tool.ts'

/**
 * Adds prompts, resources or whole methods to the official server of one request. It runs for every request that the
 * SDK lane answers, so it registers and nothing else. Tools come in through `fastify.tools.add` alone.
 */
export type Extension = (server: McpServer, principal: Principal, era: 'modern' | 'legacy') => void

/** What plugins add to the protocol besides tools, and how they tell subscribers that a list has changed. */
export interface Extensions {
  /** @throws ExtensionLate once the server is ready */
  extend: (extension: Extension) => void
  /** Reaches the open `subscriptions/listen` streams of this process. */
  notify: ServerNotifier
  readonly bus: ServerEventBus
  list: () => readonly Extension[]
  seal: () => void
}

/** Collects extensions while plugins load. */
export function createExtensions (): Extensions {
  const extensions: Extension[] = []
  const bus = new InMemoryServerEventBus()
  let isSealed = false

  return {
    extend: (extension) => {
      if (isSealed) throw new ExtensionLate()
      extensions.push(extension)
    },
    notify: {
      toolsChanged: () => { bus.publish({ kind: 'tools_list_changed' }) },
      promptsChanged: () => { bus.publish({ kind: 'prompts_list_changed' }) },
      resourcesChanged: () => { bus.publish({ kind: 'resources_list_changed' }) },
      resourceUpdated: (uri) => { bus.publish({ kind: 'resource_updated', uri }) }
    },
    bus,
    list: () => extensions,
    seal: () => { isSealed = true }
  }
}
