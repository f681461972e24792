/** Thrown for what the person at the keyboard can mend; its sentence names the fix. */
export class Refusal extends Error {}

/** Runs a script: a refusal is printed as one sentence and ends it with 1, anything else keeps its stack. */
export async function run (script) {
  try {
    await script(process.argv.slice(2))
  } catch (error) {
    if (!(error instanceof Refusal) && !error.code?.startsWith('ERR_PARSE_ARGS')) throw error
    console.error(error.message)
    process.exitCode = 1
  }
}
