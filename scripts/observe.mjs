import { spawnSync } from 'node:child_process'
import { Refusal, run } from './refusal.mjs'

const usage = 'npm run observe:up, npm run observe:up -- lgtm, npm run observe:down'

/** What runs behind each profile of compose.yaml, and so where to look. */
const places = {
  observe: ['Grafana     http://localhost:3000  (dashboards, traces, logs; nobody signs in, nobody is an administrator)', 'Prometheus  http://localhost:9090/alerts'],
  lgtm: ['Grafana     http://localhost:3000  (dashboards, traces, logs; our alerts are in the profile observe alone)', 'Prometheus  http://localhost:9090']
}

/** What is started, and what it needs with it: not the server and its database, which have no profile. */
const services = { observe: ['otelcol', 'grafana'], lgtm: ['lgtm'] }
const all = ['otelcol', 'prometheus', 'tempo', 'loki', 'grafana', 'lgtm']

// npm run observe:up [-- lgtm], npm run observe:down: starts and stops what telemetry is sent to on a developer's machine.
await run(([what, profile = 'observe', ...rest]) => {
  if (!['up', 'down'].includes(what) || !(profile in places) || rest.length > 0) throw new Refusal(`say what to do: ${usage}`)
  if (what === 'up') return up(profile)
  compose(['--profile', '*', 'rm', '--stop', '--force', ...all])
  console.log('Stopped. Metrics, traces and logs are kept in volumes; delete them, and the server\'s database and secrets with them, with: docker compose --profile "*" down --volumes')
})

function up (profile) {
  compose(['--profile', profile, 'up', '--detach', '--wait', ...services[profile]])
  console.log(`\n${places[profile].join('\n')}

Start the server so that it sends there:
  OTEL_ENABLED=true npm start
The first metrics arrive within 30 seconds of its first call. What to look at: docs/observe.md`)
}

function compose (args) {
  const { status, error } = spawnSync('docker', ['compose', ...args], { stdio: 'inherit' })
  if (error !== undefined) throw new Refusal('docker was not found; install a container engine with docker compose 2.24 or newer')
  if (status !== 0) throw new Refusal(`docker compose ${args.join(' ')} failed; what it wrote is above`)
}
