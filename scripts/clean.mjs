import { rmSync } from 'node:fs'

// node scripts/clean.mjs [FOLDER]: a file that was removed from the sources must not live on in the build; autoload would still serve it.
rmSync(process.argv[2] ?? 'dist', { recursive: true, force: true })
