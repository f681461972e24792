import { writeFileSync } from 'node:fs'
import access from './dashboards/access.mjs'
import overview from './dashboards/overview.mjs'
import runtimeDb from './dashboards/runtime-db.mjs'
import tools from './dashboards/tools.mjs'

// npm run dashboards [-- FOLDER]: writes the JSON that Grafana loads from the sources in scripts/dashboards/.
const folder = process.argv[2] ?? 'charts/portcullis/files/dashboards'
for (const dashboard of [overview, tools, runtimeDb, access]) writeFileSync(`${folder}/${dashboard.uid.replace('portcullis-', '')}.json`, `${JSON.stringify(dashboard, null, 2)}\n`)
