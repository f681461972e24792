import t from 'tap'
import { Type } from 'typebox'
import { configurationPage, envExample } from '../../config/document.ts'
import { envSchema } from '../../config/env.ts'
import { createSettings, Secret } from '../../src/settings.ts'

const settings = createSettings({ WEATHER_KEY: 'a-key-that-is-set' })
settings.read('tool "forecast"', Type.Object({
  WEATHER_KEY: Secret({ description: 'Key of the service' }),
  WEATHER_TOKEN: Type.String({ 'x-secret': true, default: 'built-in-secret', description: 'Token' }),
  WEATHER_DAYS: Type.Integer({ minimum: 1, maximum: 14, default: 3, description: 'Days\n  to forecast | at most 14' }),
  WEATHER_NAME: Type.Optional(Type.String({ minLength: 2, description: 'Name' }))
}))
settings.read('tool "other"', Type.Object({ WEATHER_NAME: Type.Optional(Type.String({ minLength: 2, description: 'Name' })) }))

t.test('the page has a row for every variable, with range, default and who reads it', async (t) => {
  const page = configurationPage(envSchema, settings.declared())
  for (const name of Object.keys(envSchema.properties)) t.match(page, new RegExp(`^\\| \`${name}\``, 'm'))
  for (const row of [
    '| `WEATHER_KEY` 🔒 | (required) | string | Key of the service (tool "forecast") |',
    '| `WEATHER_DAYS` | `3` | 1 to 14 | Days to forecast \\| at most 14 (tool "forecast") |',
    '| `WEATHER_NAME` |  | at least 2 characters | Name (tool "forecast", tool "other") |'
  ]) t.ok(page.includes(`\n${row}\n`), row)
  t.notMatch(configurationPage(envSchema, []), /Settings of tools/)
})

t.test('the example file changes nothing until it is edited', async (t) => {
  const example = envExample(envSchema, settings.declared())
  for (const line of example.split('\n')) t.match(line, /^(#.*)?$/)
  t.match(example, /^#PORT=8000$/m)
  t.match(example, /^# Days to forecast \| at most 14 \(tool "forecast"\)\n#WEATHER_DAYS=3$/m)
})

t.test('no value of a secret is shown', async (t) => {
  for (const text of [configurationPage(envSchema, settings.declared()), envExample(envSchema, settings.declared())]) t.notMatch(text, /a-key-that-is-set|built-in-secret/)
})
