import { Secret } from '../settings.ts'
import { column, foreign, replanned, sql } from '../sql.ts'
import { ask } from './ask.ts'
import { blocks } from './blocks.ts'
import { FreeJson, Nullable } from './output.ts'
import { ToolError } from './tool.ts'

/**
 * What a tool is written with. A package takes it from `fastify.tools`: it can't import the server it is installed in,
 * and the pipeline would not know another copy's ToolError or sql.
 */
export const authoring = { ToolError, ask, blocks, column, foreign, FreeJson, Nullable, replanned, Secret, sql }
