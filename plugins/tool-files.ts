import { readdirSync } from 'node:fs'
import { join, parse } from 'node:path'
import autoload from '@fastify/autoload'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { oneLine, ToolFileEmpty, ToolFolder } from '../src/errors.ts'

export interface ToolFilesOptions { dir: string }

const isTool = /^[^.].*(?<!\.test|\.d)\.[cm]?[jt]s$/

/** Loads every file of a folder; `count-things.ts` must add `count_things`, since autoload passes over a file that adds nothing. */
const toolFiles: FastifyPluginAsync<ToolFilesOptions> = async (fastify, { dir }) => {
  await fastify.register(autoload, { dir, forceESM: true, maxDepth: 0, ignorePattern: /\.test\.[cm]?[jt]s$/ })
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    if (entry.isDirectory()) throw oneLine(new ToolFolder(join('tools', entry.name)))
  }
  for (const file of readdirSync(dir).filter((name) => isTool.test(name))) {
    const name = parse(file).name.replaceAll('-', '_')
    if (fastify.tools.get(name) === undefined) throw oneLine(new ToolFileEmpty(join('tools', file), name))
  }
}

export default fp(toolFiles, { name: 'tool-files', fastify: '5.x', dependencies: ['tools'], decorators: { fastify: ['tools'] } })
