/** Ends the benchmark with one sentence instead of a stack. */
export class BenchFailed extends Error {}
