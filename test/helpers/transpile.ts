import { readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import ts from 'typescript'

/** TypeScript as JavaScript, types unchecked. */
export function transpile (source: string): string {
  return ts.transpileModule(source, { compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 } }).outputText
}

/** Drops a tool into a built server, as a fork adds a file to tools/. */
export function addTool (out: string, file: string): void {
  writeFileSync(join(out, 'tools', basename(file, '.ts') + '.js'), transpile(readFileSync(file, 'utf8')).replaceAll(/'(?:\.\.\/)+src\/(.+)\.ts'/g, "'../src/$1.js'"))
}
