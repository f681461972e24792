/** A command line that can't be understood; answered with how it is used. */
export class UsageError extends Error {}
