'use strict'

const { loadConfig } = require('./dist/config/load.js')

const { config } = loadConfig()

/** What `fastify start -c ./fastify.config.cjs` adds to its command line; our own loader also reads `.env` and NAME_FILE. */
module.exports = {
  port: config.PORT,
  address: config.HOST,
  options: true,
  closeGraceDelay: config.SHUTDOWN_GRACE_MS,
  bodyLimit: config.BODY_LIMIT_BYTES,
  trustProxyIps: config.TRUST_PROXY
}
