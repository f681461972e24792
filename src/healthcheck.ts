import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { Type } from 'typebox'
import { envSchema } from '../config/env.ts'
import { processEnvironment } from '../config/load.ts'
import { readVariables } from '../config/variables.ts'

// The image's health check: node dist/src/healthcheck.js asks /livez of the server in the same container, and exits 0 or 1.
const timeoutMs = 2_000
const everywhere: Record<string, string> = { '0.0.0.0': '127.0.0.1', '::': '::1' }

const { values: { HOST, PORT }, problems: [problem] } = readVariables(Type.Pick(envSchema, ['HOST', 'PORT']), processEnvironment())
const host = everywhere[HOST] ?? HOST
const url = `http://${host.includes(':') ? `[${host}]` : host}:${PORT}/livez`

try {
  if (problem !== undefined) throw new Error(problem)
  const request = get(url, { signal: AbortSignal.timeout(timeoutMs) }) // fetch refuses some ports, such as 6000
  const [response] = await once(request, 'response') as [IncomingMessage]
  response.resume()
  if (response.statusCode !== 200) throw new Error(`${url} answers ${response.statusCode}`)
  console.log(`${url} answers 200`)
} catch (error) {
  const { message, name, code } = error as NodeJS.ErrnoException
  const reason = name === 'AbortError' ? `${url} does not answer` : code === undefined ? message : `${url} can't be reached (${code})`
  console.error(`not healthy: ${reason}`)
  process.exitCode = 1
}
