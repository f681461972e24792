import { readFileSync } from 'node:fs'

interface CustomManager { managerFilePatterns: string[], matchStrings: string[], datasourceTemplate: string, depNameTemplate?: string }
interface Renovate { enabledManagers: string[], ignorePaths?: string[], customManagers: CustomManager[], [manager: string]: unknown }

/** Where managers look unasked; the others look nowhere then. */
const usual: Record<string, string[]> = {
  dockerfile: ['/(^|/)Dockerfile$/'],
  'docker-compose': ['/(^|/)(?:docker-)?compose[^/]*\\.ya?ml$/'],
  devcontainer: ['/^.devcontainer/devcontainer.json$/'],
  gomod: ['/(^|/)go\\.mod$/']
}

export const renovate = JSON.parse(readFileSync('renovate.json', 'utf8')) as Renovate

const isAmong = (path: string, patterns: string[]): boolean => patterns.some((pattern) => new RegExp(pattern.slice(1, -1)).test(path))

/** The managers of Renovate's own that read a file. */
export function managersOf (path: string, config = renovate): string[] {
  if (/(^|\/)(examples|tests?)\//.test(path)) return [] // config:recommended looks away
  return config.enabledManagers.filter((name) => isAmong(path, (config[name] as { managerFilePatterns?: string[] } | undefined)?.managerFilePatterns ?? usual[name] ?? []))
}

/** What our expressions find in a file: `name:version@digest` as far as they say it. */
export function foundIn (path: string, text: string, config = renovate): string[] {
  return config.customManagers.filter(({ managerFilePatterns }) => config.enabledManagers.includes('custom.regex') && isAmong(path, managerFilePatterns))
    .flatMap(({ matchStrings, depNameTemplate = '' }) => matchStrings.flatMap((expression) => [...text.matchAll(new RegExp(expression, 'g'))].map(({ groups = {} }) =>
      `${groups.depName ?? depNameTemplate}:${groups.currentValue}${groups.currentDigest === undefined ? '' : `@${groups.currentDigest}`}`)))
}
