import * as fs from 'node:fs'
import { register } from 'node:module'

// The conformance runner imports fs.globSync, which Node 20 lacks and no server scenario calls.
// node --import ./test/conformance/fs-shim.mjs
if (fs.globSync === undefined) {
  const source = 'export * from "node:fs"; export { default } from "node:fs"; export const globSync = () => { throw new Error("fs.globSync needs Node 22") }'
  const shim = `data:text/javascript,${encodeURIComponent(source)}`
  const hooks = `export const resolve = async (specifier, context, next) =>
    specifier === 'fs' && /@modelcontextprotocol.conformance/.test(context.parentURL ?? '') ? { url: ${JSON.stringify(shim)}, shortCircuit: true } : await next(specifier, context)`
  register(`data:text/javascript,${encodeURIComponent(hooks)}`)
}
