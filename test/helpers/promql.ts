const words = new Set(['and', 'or', 'unless', 'bool', 'offset', 'by', 'without', 'on', 'ignoring', 'group_left', 'group_right', 'inf', 'nan'])

/** The names of the metrics that an expression reads. */
export function metricsIn (expr: string): string[] {
  const bare = expr
    .replaceAll(/"(?:[^"\\]|\\.)*"/g, '')
    .replaceAll(/\{[^}]*\}|\[[^\]]*\]/g, ' ')
    .replaceAll(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, ' ')
  return [...new Set([...bare.matchAll(/\b[a-zA-Z_:][\w:]*\b(?!\s*\()/g)].map(([name]) => name).filter((name) => !words.has(name.toLowerCase())))]
}

/** What an alert looks at: its operands, each without the comparison with a number that decides. */
export function measuresIn (alert: string): string[] {
  return alert.split(/^(?:and|or|unless)$/m).map((operand) => {
    const measure = operand.replace(/\s(?:[<>]=?|[=!]=)\s(?:\([\d.* ]+\)|[\d.]+)\s*$/, '')
    if (measure === operand) throw new Error(`no comparison with a number at the end of ${operand}`)
    return measure.trim()
  })
}
