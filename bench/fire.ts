import autocannon from 'autocannon'
import type { Case } from './cases.ts'
import { BenchFailed } from './failure.ts'
import { connections } from './options.ts'
import { readMessage } from './rpc.ts'

const answerSeconds = 10
const runSeconds = 300

/**
 * Sends each request of a case once and looks at what comes back.
 * @returns the bodies, in the order of the requests
 * @throws BenchFailed when one is not the right answer
 */
export async function checkAnswers (url: string, { name, status = 200, spend, requests }: Case): Promise<string[]> {
  const bodies: string[] = []
  if (spend !== undefined) await (await fetch(url, { method: 'POST', headers: spend.headers, body: spend.body })).text()
  for (const { headers, body, isRight } of requests) {
    const response = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(answerSeconds * 1000) })
      .catch((error: Error) => { throw new BenchFailed(`${name}: no answer (${error.message})`) })
    const text = await response.text()
    if (response.status !== status || !holds(text, isRight)) throw new BenchFailed(`${name}: not the right answer, so there is nothing to measure: HTTP ${response.status} ${text.slice(0, 300)}`)
    bodies.push(comparable(text))
  }
  return bodies
}

/** Times to wait and ids of calls differ from answer to answer. */
function comparable (text: string): string {
  return text.replace(/in \d+ s|"io\.portcullis\/(retryAfterMs":\d+|callId":"[^"]*")/g, '')
}

function holds (text: string, isRight: Case['requests'][number]['isRight']): boolean {
  try {
    const { result = {}, error } = readMessage(text)
    return isRight(result, error)
  } catch {
    return false
  }
}

/**
 * Sends that many requests over keep-alive connections.
 * @param bodies the checked answers; every answer has to be the same, byte for byte
 * @throws BenchFailed when one request fails or is answered differently
 */
export async function fire (url: string, { name, status: wanted = 200, orElse, requests }: Case, bodies: string[], amount: number): Promise<void> {
  let wrong: string | undefined
  const run = autocannon({
    url,
    connections,
    amount,
    bailout: 1,
    timeout: answerSeconds,
    requests: requests.map(({ headers, body }, index) => ({
      method: 'POST',
      headers,
      body,
      onResponse: (status, answer) => {
        if ((status === wanted && comparable(answer) === bodies[index]) || (orElse !== undefined && answer.includes(orElse))) return
        wrong ??= `HTTP ${status} ${answer.slice(0, 300)}`
        run.stop()
      }
    }))
  })
  const limit = setTimeout(() => { run.stop() }, runSeconds * 1000)
  const { '2xx': well, non2xx, errors } = await run
  const answered = well + non2xx
  clearTimeout(limit)
  if (wrong !== undefined) throw new BenchFailed(`${name}: an answer differs from the checked one: ${wrong}`)
  if (answered !== amount) throw new BenchFailed(`${name}: ${answered} of ${amount} requests were answered (${errors} connection errors or timeouts, ${well} answered 2xx, ${non2xx} otherwise)`)
}
