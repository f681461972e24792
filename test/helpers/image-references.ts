import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'

const folder = (path: string): string[] => readdirSync(path).map((name) => join(path, name))

/** The files that say which images we build on, run, and check with. */
export const filesWithImages = ['Dockerfile', 'compose.yaml', '.devcontainer/devcontainer.json', ...folder('.github/workflows'), ...folder('ci/kind').filter((path) => path.endsWith('.yaml'))]

/** What may stand without a digest, each with the reason. */
export const unpinned: Record<string, string> = {
  'mcr.microsoft.com/devcontainers/typescript-node:5.0.1-24-bookworm': 'nobody was found who pins it; nothing that is shipped comes from it',
  'portcullis:local': 'ours: compose builds it',
  '${{ needs.image.outputs.name }}': 'ours: the release hands its digest on beside it' // eslint-disable-line no-template-curly-in-string
}

/** Every image that a file names. */
export function imagesIn (path: string, text: string): string[] {
  if (path.endsWith('Dockerfile')) return [...text.matchAll(/^(?:ARG \w+_IMAGE=|FROM (?:--platform=\S+ )?(?=[^\s$]*[/:]))(\S+)/gm)].map(([, image]) => image as string)
  return parseAllDocuments(text, { merge: true }).flatMap((document) => namedIn(document.toJS()))
}

function namedIn (value: unknown): string[] {
  if (value === null || typeof value !== 'object') return []
  return Object.entries(value).flatMap(([key, inner]) => {
    if (typeof inner !== 'string') return namedIn(inner)
    return ['image', 'node_image', 'container'].includes(key) ? [inner] : key === 'uses' && inner.startsWith('docker://') ? [inner.slice(9)] : []
  })
}

/** What is wrong with how files name images, a sentence each. */
export function unpinnedImages (texts: Record<string, string>): string[] {
  const named = Object.entries(texts).flatMap(([path, text]) => imagesIn(path, text).map((image) => ({ path, image })))
  const digests = new Map<string, Set<string>>()
  for (const { image } of named) {
    const [name = '', digest = ''] = image.split('@')
    const repository = name.replace(/:[^:/]*$/, '')
    digests.set(repository, (digests.get(repository) ?? new Set()).add(`${name}@${digest}`))
  }
  return [
    ...named.filter(({ image }) => !(image in unpinned) && !/^[\w./-]+:(?!latest\b)[\w.-]+@sha256:[0-9a-f]{64}$/.test(image)).map(({ path, image }) => `${path}: ${image} has no tag with a digest`),
    ...[...digests].filter(([, versions]) => versions.size > 1).map(([repository]) => `${repository} has more than one version`),
    ...Object.keys(unpinned).filter((image) => !named.some((each) => each.image === image)).map((image) => `${image} may stand without a digest, and nobody names it`)
  ]
}
