/** MCP content blocks (specification: server/tools, "Tool Result"). */
export type Block =
  | { type: 'text', text: string }
  | { type: 'image' | 'audio', data: string, mimeType: string }
  | { type: 'resource', resource: { uri: string, mimeType?: string } & ({ text: string } | { blob: string }) }
  | { type: 'resource_link', uri: string, name: string, title?: string, description?: string, mimeType?: string }

const blocksTag: unique symbol = Symbol('blocks')

export interface Blocks {
  readonly [blocksTag]: true
  readonly blocks: readonly Block[]
}

/** The result of a tool whose output is 'blocks'. */
export function blocks (...list: Block[]): Blocks {
  return { [blocksTag]: true, blocks: list }
}

export function isBlocks (value: unknown): value is Blocks {
  return typeof value === 'object' && value !== null && blocksTag in value
}

/** What audit commits to and what counts as text: one serialisation of the blocks. */
export function blocksToText (list: readonly Block[]): string {
  return JSON.stringify(list)
}
