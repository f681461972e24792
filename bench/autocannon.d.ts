/** The part of autocannon that the benchmark uses; the package brings no types. */
declare module 'autocannon' {
  interface Options {
    url: string
    connections: number
    /** Requests in all; the run ends when that many were answered. */
    amount: number
    /** Errors after which the run gives up. */
    bailout: number
    /** Seconds to wait for one answer. */
    timeout: number
    requests: Array<{
      method: 'POST'
      headers: Record<string, string>
      body: string
      onResponse: (status: number, body: string) => void
    }>
  }
  interface Run extends PromiseLike<{ '2xx': number, non2xx: number, errors: number }> {
    stop: () => void
  }
  export default function autocannon (options: Options): Run
}
