import { rmSync } from 'node:fs'

// A file that was removed from the sources must not live on in dist: autoload would still serve it.
rmSync('dist', { recursive: true, force: true })
