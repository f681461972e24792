import type { Case } from './cases.ts'
import { checkAnswers, fire } from './fire.ts'
import type { Servers } from './servers.ts'

/** CPU microseconds per request by case name, one figure a round. */
export type Samples = Map<string, number[]>

const warmUpRounds = 2

/**
 * Visits the cases in turn, forth and back, so that a change of the machine's state hits all of them alike.
 * The first two rounds warm up and do not count: the bare route costs four times as much in its first 5,000 requests,
 * one and a half times as much in its next 5,000, and then stays where it is.
 */
export async function measure (servers: Servers, cases: Case[], { rounds, requests }: { rounds: number, requests: number }, onRound: (round: number) => void): Promise<Samples> {
  const bodies = new Map<string, string[]>()
  for (const one of cases) bodies.set(one.name, await checkAnswers((await servers(one.server)).url, one))

  const samples: Samples = new Map(cases.map(({ name }) => [name, []]))
  for (let round = 1 - warmUpRounds; round <= rounds; round++) {
    onRound(round)
    for (const one of round % 2 === 0 ? cases : cases.toReversed()) {
      const server = await servers(one.server)
      const amount = requests * (one.times ?? 1)
      const before = await server.cpu()
      await fire(server.url, one, bodies.get(one.name) ?? [], amount)
      if (round > 0) samples.get(one.name)?.push((await server.cpu() - before) / amount)
    }
  }
  return samples
}
