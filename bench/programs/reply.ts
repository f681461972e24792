import { Type, type TObject } from 'typebox'

export interface ToolsCall<Arguments> { id: number, params: { arguments: Arguments } }

/** Response schema of a route that answers like tools/call of revision 2026-07-28. */
export function toolsCallReply (structuredContent: TObject) {
  return {
    200: Type.Object({
      jsonrpc: Type.String(),
      id: Type.Integer(),
      result: Type.Object({
        content: Type.Array(Type.Object({ type: Type.String(), text: Type.String() })),
        structuredContent,
        resultType: Type.String()
      })
    })
  }
}

export function toolsCallResult (id: number, structuredContent: object) {
  return { jsonrpc: '2.0', id, result: { content: [{ type: 'text', text: JSON.stringify(structuredContent) }], structuredContent, resultType: 'complete' } }
}
