import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import ts from 'typescript'

// npm run coverage [-- tap arguments]: runs the tests, counts every source file (also one that no test imports), refuses
// less than the least share of lines or branches, and writes the figures into the README. With --report it does that for
// tests that ran already.
const least = 90
const slack = 1.5 // percent that a figure in the README may lag behind, since timing moves branches
const nothingToRun = { lines: { total: 0, covered: 0, pct: 100 }, branches: { total: 0, covered: 0, pct: 100 } } // types alone
const folders = ['config', 'src', 'plugins', 'tools']

const args = process.argv.slice(2)
const passed = args[0] === '--report' || runTests()

const { total, ...byFile } = JSON.parse(readFileSync('.tap/report/coverage-summary.json', 'utf8'))
const files = folders.flatMap((folder) => readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.ts')).map((name) => join(folder, name)))
const shares = files.map((file) => ({ file, ...byFile[resolve(file)] ?? untouched(file) }))
const share = (kind) => {
  const sum = (key) => shares.reduce((all, of) => all + of[kind][key], 0)
  return 100 * sum('covered') / sum('total')
}
const lines = share('lines')
const branches = share('branches')

for (const { file, lines: { pct }, branches: { pct: branchPct } } of shares) {
  if (Math.min(pct, branchPct) < least) console.log(`# ${file}: ${pct} % of lines, ${branchPct} % of branches`)
}
console.log(`# coverage of ${files.length} files: ${lines.toFixed(2)} % of lines, ${branches.toFixed(2)} % of branches`)
const isWhole = args.every((arg) => arg.startsWith('-')) // figures of some files are nobody's figures
if (passed && isWhole && Math.min(lines, branches) >= least) writeFigures()
process.exitCode = passed && lines >= least && branches >= least ? 0 : 1

function runTests () {
  rmSync('.tap/coverage', { recursive: true, force: true })
  const { status } = spawnSync('npm', ['test', '--', '--no-disable-coverage', '--allow-incomplete-coverage', '--coverage-report=json-summary', ...args], {
    stdio: 'inherit',
    env: { ...process.env, COVERAGE_FOLDER: resolve('.tap/coverage') } // server processes of the tests write there too
  })
  return status === 0
}

function untouched (file) {
  const text = readFileSync(file, 'utf8')
  if (ts.transpileModule(text, { compilerOptions: { module: 'esnext', verbatimModuleSyntax: true } }).outputText.trim() === 'export {};') return nothingToRun
  return { lines: { total: text.split('\n').length - 1, covered: 0, pct: 0 }, branches: { total: 1, covered: 0, pct: 0 } }
}

function writeFigures () {
  const readme = readFileSync('README.md', 'utf8')
  const pattern = /(\d+) % of lines and (\d+) % of branches/
  const [found, oldLines, oldBranches] = readme.match(pattern) ?? []
  const isTrue = (old, now) => now >= old && now < Number(old) + 1 + slack
  if (found === undefined || (isTrue(oldLines, lines) && isTrue(oldBranches, branches))) return
  writeFileSync('README.md', readme.replace(pattern, `${Math.floor(lines)} % of lines and ${Math.floor(branches)} % of branches`))
}
