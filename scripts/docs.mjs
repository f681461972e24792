import { readFileSync, writeFileSync } from 'node:fs'
import Fastify from 'fastify'
import fp from 'fastify-plugin'
import { configurationPage, envExample } from '../dist/config/document.js'
import { envSchema } from '../dist/config/env.js'
import noDatabase from '../dist/plugins/no-database.js'
import app from '../dist/src/app.js'
import { metricsTable } from '../dist/src/metrics-table.js'
import { catalogue } from '../dist/src/metrics.js'

// npm run docs: writes what is generated from the code. CI runs it and fails when the tree has changed.
const fastify = Fastify()
await fastify.register(fp(app), { env: { LOG_LEVEL: 'silent' }, database: noDatabase }) // not ready(): settings without a value are no matter here
const settings = fastify.settings.declared()
await fastify.close()

writeFileSync('docs/configuration.md', configurationPage(envSchema, settings))
writeFileSync('.env.example', envExample(envSchema, settings))

const observe = readFileSync('docs/observe.md', 'utf8')
writeFileSync('docs/observe.md', observe.replace(/(<!-- metrics[^>]*-->\n)[^]*?(<!-- \/metrics -->)/, (_all, begin, end) => `${begin}${metricsTable(catalogue)}${end}`))
