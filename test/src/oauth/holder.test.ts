import t from 'tap'
import fc from 'fast-check'
import type { JWTPayload } from 'jose'
import { holderOf, type ClaimRules, type Holder } from '../../../src/oauth/holder.ts'

const rules: ClaimRules = { rolesClaims: ['scope'], requiredScopes: [] }
const holder = (claims: JWTPayload, changes: Partial<ClaimRules> = {}): Holder => holderOf({ sub: 'alice', ...claims }, { ...rules, ...changes }) as Holder
const rolesOf = (claims: JWTPayload, ...rolesClaims: string[]): readonly string[] => holder(claims, rolesClaims.length === 0 ? {} : { rolesClaims }).principal.roles

t.test('scopes are roles, as text or as a list, under either name', async (t) => {
  t.same(rolesOf({ scope: 'reader writer reader' }), ['reader', 'writer'])
  t.same(rolesOf({ scope: ['reader', 'writer'] }), ['reader', 'writer'])
  t.same(rolesOf({ scp: 'reader' }), ['reader'])
  t.same(rolesOf({ scope: 'reader', scp: 'admin' }), ['reader'], 'scp where there is no scope')
  t.same(rolesOf({}), [])
})

t.test('roles come from the claims that are named, along dots, and from no others', async (t) => {
  const claims = { realm_access: { roles: ['ops'] }, groups: 'a b', 'https://example.com/roles': ['c'], 'a.b': 'whole', a: { b: 'path' } }
  t.same(rolesOf(claims, 'realm_access.roles', 'groups', 'https://example.com/roles'), ['ops', 'a', 'b', 'c'])
  t.same(rolesOf(claims, 'a.b'), ['whole'], 'a claim of just that name comes first')
  for (const path of ['realm_access', 'realm_access.roles.0', 'realm_access.roles.length', 'groups.length', 'none.at.all', '__proto__.x', 'constructor.name', 'toString']) t.same(rolesOf(claims, path), path === 'realm_access.roles.0' ? ['ops'] : [], path)
})

t.test('what can\'t be a role is none', async (t) => {
  for (const scope of [null, 7, true, {}, [null, 7, {}, ['reader']], '', ' ', 'é', 'a\nb', 'x'.repeat(129), ['two words']]) t.same(rolesOf({ scope }), [], JSON.stringify(scope))
  t.same(rolesOf({ scope: ['é', 'reader', 'x'.repeat(129)] }), ['reader'])
  t.equal(rolesOf({ scope: Array.from({ length: 1000 }, (_, index) => `role-${index}`) }).length, 100)
  t.throws(() => { (rolesOf({ scope: 'reader' }) as string[]).push('admin') })
})

t.test('the id is sub, or client_id where there is no sub', async (t) => {
  t.equal(holder({ sub: 'auth0|5f7c8ec7c33c6c004bbafe82' }).principal.id, 'auth0|5f7c8ec7c33c6c004bbafe82')
  t.equal(holder({ sub: undefined, client_id: 'robot' }).principal.id, 'robot')
  t.equal(holder({ client_id: 'robot' }).principal.id, 'alice')
  for (const sub of [null, 7, '', ' ', 'a b', 'é', 'a\0', 'a'.repeat(256)]) t.equal(holderOf({ sub, client_id: 'robot' } as never, rules), 'sub', JSON.stringify(sub))
})

t.test('the tenant is what the claim says; one that can\'t be a tenant refuses the token', async (t) => {
  const tenantClaim = 'org.id'
  t.equal(holder({ org: { id: 'acme' } }, { tenantClaim }).principal.tenant, 'acme')
  t.equal(holderOf({ sub: 'alice' }, { ...rules, tenantClaim }), 'tenant', 'nobody is without a tenant where the claim is named')
  t.equal(holder({ tenant: 'acme' }).principal.tenant, undefined)
  for (const id of [null, 7, '', 'a b', ['acme'], {}]) t.equal(holderOf({ sub: 'alice', org: { id } }, { ...rules, tenantClaim }), 'tenant', JSON.stringify(id))
})

t.test('all required scopes must be there, whatever the roles come from', async (t) => {
  const changes = { requiredScopes: ['mcp', 'read'], rolesClaims: ['groups'] }
  t.equal(holder({ scope: 'read x mcp' }, changes).isScoped, true)
  for (const scope of ['', 'mcp', 'read', 'mcp reads', 'MCP read', 'mcp,read', 7]) t.equal(holder({ scope, groups: 'mcp read' }, changes).isScoped, false, String(scope))
})

t.test('whatever the claims, the holder is well-formed or named at fault', async (t) => {
  fc.assert(fc.property(fc.dictionary(fc.constantFrom('sub', 'client_id', 'scope', 'scp', 'org', 'a'), fc.anything()), (claims) => {
    const found = holderOf(claims as JWTPayload, { rolesClaims: ['scope', 'a.b', 'a'], tenantClaim: 'org', requiredScopes: ['x'] })
    if (typeof found === 'string') return ['sub', 'tenant'].includes(found)
    const { id, roles, tenant } = found.principal
    return [id, ...roles, ...tenant === undefined ? [] : [tenant]].every((word) => /^[\x21-\x7e]{1,255}$/.test(word)) && roles.length <= 100
  }))
})
