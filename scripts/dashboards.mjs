import { writeFileSync } from 'node:fs'
import access from './dashboards/access.mjs'
import overview from './dashboards/overview.mjs'
import runtimeDb from './dashboards/runtime-db.mjs'
import tools from './dashboards/tools.mjs'

// npm run dashboards: writes the JSON that Grafana loads from the sources in this folder.
for (const dashboard of [overview, tools, runtimeDb, access]) writeFileSync(`charts/portcullis/files/dashboards/${dashboard.uid.replace('portcullis-', '')}.json`, `${JSON.stringify(dashboard, null, 2)}\n`)
