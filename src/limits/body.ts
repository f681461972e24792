import { Transform, type Readable } from 'node:stream'
import { errorCodes } from 'fastify'

/** Passes a body on as it arrives, until it is longer than it may be. */
export function bounded (body: Readable, most: number): Transform {
  let length = 0
  const passed = new Transform({
    transform (chunk: Buffer, _encoding, done) {
      length += chunk.length
      if (length > most) done(new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE())
      else done(null, chunk)
    }
  })
  body.on('error', (error) => { passed.destroy(error) })
  return body.pipe(passed)
}
