import type { FastifyPluginAsync } from 'fastify'
import { Type } from 'typebox'

export const generatedName = (index: number): string => `catalogue_search_${index}`

/** Tools as a package adds them: an echo to call, and as many more as a case wants in the list. */
const tools: FastifyPluginAsync<{ generated: number }> = async (fastify, { generated }) => {
  fastify.tools.add({
    name: 'echo',
    description: 'Answers with the text it was given.',
    effect: 'read',
    input: Type.Object({ text: Type.String({ maxLength: 1000, description: 'What to answer' }) }),
    output: Type.Object({ text: Type.String() }),
    handler: async ({ text }) => ({ text })
  })

  fastify.tools.add({ name: 'denied', description: 'On no allowlist.', effect: 'read', input: Type.Object({}), output: Type.Object({}), handler: async () => ({}) })

  for (let index = 0; index < generated; index++) {
    fastify.tools.add({
      name: generatedName(index),
      title: `Search catalogue ${index}`,
      description: `Finds entries of catalogue ${index} by their text, newest first.`,
      effect: 'read',
      input: Type.Object({
        text: Type.String({ maxLength: 200, description: 'Words to look for' }),
        status: Type.Optional(Type.Enum(['active', 'inactive', 'archived'], { description: 'Only entries in this state' })),
        limit: Type.Integer({ minimum: 1, maximum: 100, default: 20, description: 'Most entries to return' }),
        offset: Type.Integer({ minimum: 0, default: 0, description: 'Entries to skip' })
      }),
      output: Type.Object({ total: Type.Integer(), names: Type.Array(Type.String()) }),
      handler: async () => ({ total: 0, names: [] })
    })
  }
}

export default tools
