import { LogController, type FastifyReply, type FastifyServerOptions } from 'fastify'
import { securityHeaders } from './browsers.ts'

/** Options of the Fastify server: log redaction, timeouts. A fork changes them here; what operators change is in fastify.config.cjs. */
export const serverOptions: FastifyServerOptions = {
  pluginTimeout: 30_000, // the first start of the embedded database on a busy machine
  return503OnClosing: false, // the listener plugin decides what happens while load balancers still send requests
  requestTimeout: 60_000, // to receive a request, not to answer it
  frameworkErrors: (_error, _request, reply) => { (reply as FastifyReply).code(400).headers(securityHeaders).send({ error: 'The URL is not valid' }) }, // it can't be decoded
  logController: new LogController({ disableRequestLogging: true }), // the pipeline logs each call, the error handlers what never became one
  logger: {
    level: 'info', // until the env plugin has read LOG_LEVEL
    redact: ['req.headers.authorization', 'req.headers["x-api-key"]', 'req.headers.cookie'],
    ...process.stdout.isTTY ? { transport: { target: 'pino-pretty', options: { translateTime: 'HH:MM:ss', ignore: 'pid,hostname', sync: true } } } : {}
  }
}
