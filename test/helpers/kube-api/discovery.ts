import { apiVersionOf, groupVersions, kindsOf, pathOf } from './kinds.ts'

/** What an API server says of itself; undefined for any other path. */
export function discovery (path: string): unknown {
  if (path === '/version') return { major: '1', minor: '36', gitVersion: 'v1.36.3' }
  if (path === '/api') return { kind: 'APIVersions', versions: ['v1'] }
  if (path === '/apis') return { kind: 'APIGroupList', apiVersion: 'v1', groups: groupVersions.filter(([group]) => group !== '').map(groupOf) }
  if (path === '/openapi/v3') return { paths: Object.fromEntries(groupVersions.map(([group, version]) => [pathOf(group, version), { serverRelativeURL: `/openapi/v3/${pathOf(group, version)}` }])) }
  const asked = groupVersions.find(([group, version]) => path.endsWith(`/${pathOf(group, version)}`))
  if (asked === undefined) return undefined
  return path.startsWith('/openapi/v3/') ? openApi(...asked) : path === `/${pathOf(...asked)}` ? resources(...asked) : undefined
}

function groupOf ([name, version]: [string, string]): unknown {
  const served = { groupVersion: `${name}/${version}`, version }
  return { name, versions: [served], preferredVersion: served }
}

function resources (group: string, version: string): unknown {
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: apiVersionOf({ group, version }),
    resources: kindsOf(group, version).map(({ kind, plural, isNamespaced }) => ({ name: plural, singularName: '', kind, namespaced: isNamespaced, verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'] }))
  }
}

/** Enough to tell helm that unknown fields would be refused, without which it does not apply hooks. */
function openApi (group: string, version: string): unknown {
  return {
    openapi: '3.0.0',
    info: { title: 'stub', version: '1' },
    paths: Object.fromEntries(kindsOf(group, version).map(({ kind, plural }) => [`/${pathOf(group, version)}/namespaces/{namespace}/${plural}/{name}`, {
      patch: { parameters: [{ name: 'fieldValidation', in: 'query', schema: { type: 'string' } }], 'x-kubernetes-group-version-kind': { group, version, kind }, responses: {} }
    }]))
  }
}
