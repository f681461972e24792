import createError from '@fastify/error'

/** Without its stack: a boot error is printed whole, and its sentence says all that an operator needs. */
export function oneLine<E extends Error> (error: E): E {
  error.stack = error.message
  return error
}

/** Thrown at boot with every fault of the configuration in one message. */
export const ConfigInvalid = createError<[string, string]>('MCP_CONFIG_INVALID', 'Portcullis can\'t start, %s wrong:%s', 500)

/** Thrown at boot when the listener is reachable from places that the configuration does not allow. */
export const ListenAddressUnexpected = createError<[string]>('MCP_LISTEN_ADDRESS', 'listening on %s, which is neither HOST nor loopback; start with "-c ./fastify.config.cjs"', 500)

/** Thrown at boot when the database does not answer in time. */
export const DatabaseUnreachable = createError<[string, string, string]>('MCP_DATABASE_UNREACHABLE', '%s names a database that did not answer within %s s (%s); start it or correct the URL', 500)

/** Thrown at boot when waiting can't help: wrong password, missing database, a certificate that nobody vouches for. */
export const DatabaseRefused = createError<[string, string, string]>('MCP_DATABASE_REFUSED', 'the database refused the connection of %s (%s); %s', 500)

/** Thrown at boot when the pool can't open its first connections. */
export const DatabasePoolRefused = createError<[string, string, string]>('MCP_DATABASE_POOL_REFUSED', '%s connections (DB_POOL_MIN) to %s could not be opened (%s); lower DB_POOL_MIN or raise DB_ACQUIRE_TIMEOUT_MS or the server\'s max_connections', 500)

/** Thrown after a migration when the role that the server logs in with is not there or lacks rights that the migrating role can't give. */
export const ServerRoleUnready = createError<[string, string]>('MCP_SERVER_ROLE_UNREADY', 'the role "%s" of DATABASE_URL is not ready; have an administrator run: %s; then run portcullis migrate again', 500)

/** Thrown at boot in production when the role of a database may do too much or lacks the defaults that bound its statements. */
export const DatabaseRoleUnfit = createError<[string, string, string, string]>('MCP_DATABASE_ROLE_UNFIT', 'the role "%s" of %s %s; %s', 500)

/** Thrown when a migration can't be applied; none of those that were pending is. */
export const MigrationFailed = createError<[string, string]>('MCP_MIGRATION_FAILED', 'migration %s, so no pending migration was applied: %s', 500)

/** Thrown at boot when the embedded PostgreSQL can't serve. */
export const EmbeddedUnavailable = createError<[string]>('MCP_EMBEDDED_UNAVAILABLE', 'the embedded PostgreSQL can\'t be used: %s; set DATABASE_URL to a PostgreSQL of your own', 500)

/** Thrown at boot when two tools share a name. */
export const ToolDuplicate = createError<[string]>('MCP_TOOL_DUPLICATE', 'tool "%s" is registered twice; rename one of the two', 500)

/** Thrown at boot when a tool's declaration is wrong. */
export const ToolInvalid = createError<[string, string]>('MCP_TOOL_INVALID', 'tool "%s": %s', 500)

/** Thrown at boot when a tool or plugin declares settings that can't be read from the environment. */
export const SettingsInvalid = createError<[string, string]>('MCP_SETTINGS_INVALID', '%s: %s', 500)

/** Thrown when a tool is added to a running server. */
export const ToolsSealed = createError<[string]>('MCP_TOOLS_SEALED', 'tool "%s" was added after the server was ready; call fastify.tools.add while plugins load', 500)

/** Thrown at boot when an extension of the protocol registers a tool, which would bypass the pipeline. */
export const ToolOutsideRegistry = createError<[string]>('MCP_TOOL_OUTSIDE_REGISTRY', 'an extension registers tool "%s" on the protocol server, past the pipeline; add it with fastify.tools.add', 500)

/** Thrown at boot when an extension is not done when it returns; the server of a request answers by then. */
export const ExtensionAsync = createError('MCP_EXTENSION_ASYNC', 'an extension returned a promise; register everything before it returns, and load what it needs while plugins load', 500)

/** Thrown when the protocol is extended on a running server. */
export const ExtensionLate = createError('MCP_EXTENSION_LATE', 'fastify.mcp.extend was called after the server was ready; call it while plugins load', 500)

/** Thrown when the allowlist can't be used; the server then blocks every tool. */
export const AllowlistInvalid = createError<[string, string]>('MCP_ALLOWLIST_INVALID', 'allowlist %s: %s', 500)

/** Thrown at boot when API_KEYS_FILE can't be used. */
export const ApiKeysInvalid = createError<[string, string, string]>('MCP_API_KEYS_INVALID', 'API_KEYS_FILE %s, line %s: %s', 500)

/** Thrown at boot when the allowlist allows what nobody registered, such as a misspelt name. */
export const AllowlistUnmatched = createError<[string, string, string]>('MCP_ALLOWLIST_UNMATCHED', 'allowlist %s names %s, which no tool is called; correct or remove the line (tools: %s)', 500)

/** Thrown at boot when a file under tools/ does not add the tool of its name. */
export const ToolFileEmpty = createError<[string, string]>('MCP_TOOL_FILE_EMPTY', '%s adds no tool "%s"; export a plugin from it that calls fastify.tools.add with that name, or move the file out of tools/', 500)

/** Thrown at boot when tools lie in a folder below tools/, where nothing loads them. */
export const ToolFolder = createError<[string]>('MCP_TOOL_FOLDER', '%s is a folder; tools are loaded from tools/ itself, so move its files there', 500)

/** Thrown into a handler that uses `call.db` after its call has ended. */
export const LeaseEnded = createError('MCP_LEASE_ENDED', 'call.db was used after its call had ended; await every statement before the handler returns', 500)

/** Thrown into a handler that begins or ends a transaction. */
export const TransactionControlRefused = createError<[string]>('MCP_TRANSACTION_CONTROL', 'tool "%s" may not begin or end a transaction: what a tool with effect \'write\' does is one transaction, committed when its result is ok; throw to roll back', 500)

/** Thrown into a handler that takes a connection of the pool instead of its call's. */
export const NestedConnection = createError<[string]>('MCP_NESTED_CONNECTION', 'tool "%s" takes a second connection, which could wait for itself; use call.db instead of fastify.pg', 500)

/** Thrown into a handler that runs SQL from elsewhere without saying so. */
export const ForeignSqlRefused = createError<[string]>('MCP_FOREIGN_SQL', 'tool "%s" runs SQL that it did not write; declare foreignSql: true, or use the sql tag', 500)

/** Thrown into a handler when SQL from elsewhere does not begin like a statement that reads. */
export const NotAReadingStatement = createError('MCP_NOT_A_READING_STATEMENT', 'only SELECT, WITH, VALUES, TABLE, SHOW and EXPLAIN are run, one statement at a time', 400)

/** Thrown at the end of a call whose statement had failed, though its handler went on: there is nothing to commit. */
export const TransactionFailed = createError('MCP_TRANSACTION_FAILED', 'a statement of the transaction had failed, so it was rolled back; let the error leave the handler', 500)

/** Thrown into a handler whose principal has a tenant that PostgreSQL has no text for. */
export const TenantUnusable = createError('MCP_TENANT_UNUSABLE', 'the tenant of the principal holds a NUL character, which PostgreSQL can\'t take', 500)

/** Thrown at boot when SQL from elsewhere would run under a role that may do more than read. */
export const ForeignRoleRefused = createError<[string, string, string]>('MCP_FOREIGN_ROLE', 'tool "%s" runs SQL that it did not write (foreignSql), but the role of %s has %s; give the tool a database of its own (database: \'name\') with a role that may only read', 500)

/** Thrown when the answer to a COMMIT was lost and nobody can tell what became of it. */
export const CommitUnknown = createError('MCP_COMMIT_UNKNOWN', 'it is not known whether the transaction was committed', 500)

/** Thrown when a call gets no connection in time, or the database is not there. */
export const DatabaseUnavailable = createError('MCP_DATABASE_UNAVAILABLE', 'no database connection could be had', 503)

/** Thrown into a handler whose `call.fetch` names a host that the operator did not allow. */
export const EgressRefused = createError<[string]>('MCP_EGRESS_REFUSED', 'call.fetch may not reach %s; an operator adds the host to EGRESS_HOSTS', 500)

/** Thrown into a handler that uses `call.fetch` after its call has ended. */
export const CallEnded = createError('MCP_CALL_ENDED', 'call.fetch was used after its call had ended; await every request before the handler returns', 500)

/** Answered with a challenge when a request carries no valid credential. */
export const Unauthenticated = createError<[string]>('MCP_UNAUTHENTICATED', 'Send a valid %s', 401)

/** Answered when a request carries credentials that can't be read, or several that disagree. */
export const CredentialsMalformed = createError('MCP_CREDENTIALS_MALFORMED', 'Send one credential, in one header, as "Authorization: Bearer <credential>"', 400)

/** Answered with a challenge when an access token lacks a scope that the whole server requires. */
export const ScopeInsufficient = createError<[string]>('MCP_SCOPE_INSUFFICIENT', 'The access token needs all of these scopes: %s', 403)

/** Answered while the keys of the authorization server could not be had once. */
export const IssuerUnavailable = createError('MCP_ISSUER_UNAVAILABLE', 'Access tokens can\'t be checked just now; try again later', 503)

/** Answered when a Host or Origin header names somebody else's server or page. */
export const ForeignHost = createError<[string, string]>('MCP_FOREIGN_HOST', 'This %s is not allowed here; an operator adds it to %s', 403)

/** Answered, and logged at boot, where a server that embeds this one listens on more addresses than HOST names. */
export const AddressNotServed = createError('MCP_ADDRESS_NOT_SERVED', '/mcp is not served on this address, which is neither HOST nor loopback; an operator sets HOST to it, or to 0.0.0.0 for all', 403)

/** Answered before the body is read when a principal asks for more than it may. */
export const TooManyRequests = createError<[string]>('MCP_TOO_MANY_REQUESTS', 'Too many requests. %s', 429)

/** Answered, with Retry-After, while the server has more to do than it can. */
export const Overloaded = createError<[string]>('MCP_OVERLOADED', 'The server is overloaded; try again in %s s', 503)

/** Answered to who wants a stream from a server that has ended its streams. */
export const Stopping = createError('MCP_STOPPING', 'The server is stopping; connect again', 503)

/** Answered for a compressed body, whose size nobody knows before it is unpacked. */
export const BodyEncoded = createError('MCP_BODY_ENCODED', 'Send the body without Content-Encoding', 415)

/** Answered for a batch in a revision that has none. */
export const BatchRefused = createError('MCP_BATCH_REFUSED', 'Batches exist in revision 2025-03-26 only; send one message at a time', 400)

/** Ends a request whose client left before anything was done for it. */
export const ClientGone = createError('MCP_CLIENT_GONE', 'The client has closed the connection', 499)

/** Thrown at boot when LIMITS_STORE=postgres can't be used. */
export const LimitsStoreRefused = createError<[string]>('MCP_LIMITS_STORE_REFUSED', 'LIMITS_STORE=postgres can\'t use the table rate_limits (%s); run portcullis migrate, or grant portcullis_writer to the role of DATABASE_URL', 500)

/** Answered for a batch that no wait would make room for. */
export const BatchTooLarge = createError<[string]>('MCP_BATCH_TOO_LARGE', 'A batch may hold at most %s messages here; send smaller ones', 400)

/** Answered for request ids that an answer could not repeat exactly, or that two requests share. */
export const IdsRefused = createError('MCP_IDS_REFUSED', 'A request id is a string or a whole number within ±(2^53 - 1), and unique within its batch', 400)

/** Answered for a body that nests deeper or holds more values than any tool needs. */
export const BodyTooComplex = createError('MCP_BODY_TOO_COMPLEX', 'The body nests too deeply or holds too many values', 400)
