import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Type, type TObject } from 'typebox'
import { createSettings, Secret } from '../../src/settings.ts'
import { buildApp } from '../helpers/build-app.ts'
import { allowing } from '../helpers/allowlist.ts'
import { mcpClient } from '../helpers/mcp-client.ts'
import { migratedDatabase } from '../helpers/postgres.ts'

const Weather = Type.Object({
  TEST_WEATHER_URL: Type.String({ default: 'https://weather.example.com', pattern: '^https://', description: 'Where forecasts come from', errorMessage: 'must start with https://' }),
  TEST_WEATHER_KEY: Secret({ description: 'Key of the weather service', minLength: 8 }),
  TEST_WEATHER_DAYS: Type.Integer({ default: 3, minimum: 1, maximum: 14, description: 'Days to forecast' }),
  TEST_WEATHER_RATIO: Type.Optional(Type.Number({ description: 'Share of forecasts to keep' })),
  TEST_WEATHER_UNITS: Type.Enum(['Metric', 'Imperial'], { default: 'Metric', description: 'Units' }),
  TEST_WEATHER_CACHED: Type.Boolean({ default: true, description: 'Whether answers are kept' })
})

t.test('reads values as the server reads its own: any case, empty, booleans, files, defaults', async (t) => {
  const file = join(mkdtempSync(join(tmpdir(), 'portcullis-settings-')), 'key')
  t.teardown(() => { rmSync(join(file, '..'), { recursive: true }) })
  writeFileSync(file, 'key-from-file\n')
  const settings = createSettings({ test_weather_days: '5', TEST_WEATHER_URL: '', TEST_WEATHER_KEY_FILE: file, TEST_WEATHER_UNITS: 'IMPERIAL', TEST_WEATHER_CACHED: 'off', TEST_WEATHER_RATIO: '0.5', OTHER: 'x' })

  const values = settings.read('tool "forecast"', Weather)

  t.same(values, { TEST_WEATHER_URL: 'https://weather.example.com', TEST_WEATHER_KEY: 'key-from-file', TEST_WEATHER_DAYS: 5, TEST_WEATHER_RATIO: 0.5, TEST_WEATHER_UNITS: 'Imperial', TEST_WEATHER_CACHED: false })
  t.same(settings.problems(), [])
  t.throws(() => { (values as Record<string, unknown>).TEST_WEATHER_DAYS = 1 })
})

t.test('keeps every fault with its owner and without its value', async (t) => {
  const settings = createSettings({ TEST_WEATHER_URL: 'http://secret-host', TEST_WEATHER_DAYS: 'Infinity', TEST_WEATHER_RATIO: 'NaN', TEST_WEATHER_UNITS: 'kelvin', TEST_WEATHER_CACHED: 'maybe', OTHER_KEY_FILE: '/no/such' })
  settings.read('tool "forecast"', Weather)
  settings.read('tool "other"', Type.Object({ OTHER_KEY: Secret({ description: 'x' }), TEST_WEATHER_DAYS: Weather.properties.TEST_WEATHER_DAYS }))

  t.same(settings.problems().sort(), [
    'OTHER_KEY_FILE names a file that can\'t be read (ENOENT) (tool "other")',
    'TEST_WEATHER_CACHED must be true or false (tool "forecast")',
    'TEST_WEATHER_DAYS must be a whole number from 1 up to 14 (tool "forecast")',
    'TEST_WEATHER_KEY is required (tool "forecast")',
    'TEST_WEATHER_RATIO must be a number (tool "forecast")',
    'TEST_WEATHER_UNITS must be one of Metric, Imperial (tool "forecast")',
    'TEST_WEATHER_URL must start with https:// (tool "forecast")'
  ])
})

t.test('refuses a declaration that can\'t be read from the environment or documented', async (t) => {
  const described = (name: string, schema: object = { type: 'string' }): TObject => Type.Object({ [name]: { description: 'x', ...schema } as never })
  const cases: Array<[schema: unknown, fix: RegExp]> = [
    [described('weatherUrl'), /must match \[A-Z\]/],
    [described('TEST_WEATHER_FILE'), /ends in _FILE/],
    [described('DATABASE_URL'), /variable of the server/],
    [described('KILL_SWITCH'), /variable of the server/],
    [described('OTEL_X'), /prefix that belongs to others/],
    [described('PORTCULLIS_X'), /prefix that belongs to others/],
    [described('X', { type: 'object' }), /must be one of string, integer, number, boolean or an enum/],
    [described('X', { type: 'string', description: '' }), /no description/],
    [{ type: 'string' }, /object schema/],
    [null, /object schema/],
    [Type.Object({ TEST_WEATHER_DAYS: Type.Integer({ description: 'Other days' }) }), /declared otherwise by tool "forecast"/]
  ]
  for (const [schema, fix] of cases) {
    const settings = createSettings({ TEST_WEATHER_KEY: '12345678' })
    settings.read('tool "forecast"', Weather)
    t.throws(() => { settings.read('tool "x"', schema as TObject) }, { code: 'MCP_SETTINGS_INVALID', message: fix })
  }
})

t.test('a setting is required when anybody requires it, in whatever order they are read', async (t) => {
  const optional = Type.Object({ SHARED_KEY: Type.Optional(Secret({ description: 'x' })) })
  const required = Type.Object({ SHARED_KEY: Secret({ description: 'x' }) })
  for (const order of [[optional, required], [required, optional]]) {
    const settings = createSettings({})
    for (const schema of order) settings.read('tool "a"', schema as TObject)
    t.same(settings.problems(), ['SHARED_KEY is required (tool "a")'])
    t.equal(settings.declared()[0]?.isRequired, true)
  }
})

t.test('a value that is missing stops whoever uses it, and whoever reads it late, by its name', async (t) => {
  const settings = createSettings({})
  const values = settings.read('plugin', Type.Object({ X_URL: Type.String({ description: 'x' }), X_DAYS: Type.Integer({ default: 1, description: 'x' }) }))
  t.equal(values.X_DAYS, 1)
  t.throws(() => new URL(values.X_URL), { code: 'MCP_CONFIG_INVALID', message: /X_URL is required \(plugin\)/ })
  t.throws(() => { settings.check() }, { code: 'MCP_CONFIG_INVALID' })
  t.throws(() => settings.read('late', Type.Object({ Y_URL: Type.String({ description: 'x' }) })), { code: 'MCP_CONFIG_INVALID', message: /Y_URL is required \(late\)/ })
})

t.test('a declaration that the validator refuses is refused by its owner', async (t) => {
  const bad = [Type.Integer({ description: 'x', default: 20, maximum: 10 }), Type.String({ description: 'x', format: 'uri' }), Type.String({ description: 'x', exemple: 'y' }), Type.Enum([1, 2], { description: 'x' })]
  for (const variable of bad) t.throws(() => { createSettings({}).read('tool "x"', Type.Object({ X_Y: variable as never })) }, { code: 'MCP_SETTINGS_INVALID', message: /^tool "x": / }, JSON.stringify(variable))
})

t.test('a tool gets its settings as call.config, and wrong ones stop the boot in one message', async (t) => {
  const url = await migratedDatabase(t)
  const start = async (env: Record<string, string>) => await buildApp(t, {
    env: { DATABASE_URL: url, ALLOWLIST_PATH: allowing(t, 'test_forecast', 'test_plain'), ...env },
    extra: async (fastify) => {
      const output = Type.Object({ days: Type.Integer(), url: Type.String() })
      fastify.tools.add({ name: 'test_forecast', description: 'x', effect: 'read', config: Weather, input: Type.Object({}), output, handler: async (_args, { config }) => ({ days: config.TEST_WEATHER_DAYS, url: config.TEST_WEATHER_URL }) })
      fastify.tools.add({ name: 'test_plain', description: 'x', effect: 'read', config: Type.Object({ TEST_PLAIN_X: Type.String({ description: 'x' }) }), input: Type.Object({}), output: Type.Object({}), handler: async () => ({}) })
    }
  })

  const client = mcpClient(await start({ TEST_WEATHER_KEY: 'a-good-key', TEST_PLAIN_X: 'x', TEST_WEATHER_DAYS: '7' }))
  t.same((await client.call('test_forecast')).message.result.structuredContent, { days: 7, url: 'https://weather.example.com' })

  await t.rejects(start({ TEST_WEATHER_KEY: 'short' }), {
    code: 'MCP_CONFIG_INVALID',
    message: 'Portcullis can\'t start, 2 settings are wrong:\n  - TEST_WEATHER_KEY must NOT have fewer than 8 characters (tool "test_forecast")\n  - TEST_PLAIN_X is required (tool "test_plain")'
  })
})
