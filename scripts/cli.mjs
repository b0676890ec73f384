// Commands that need the application: `cli.mjs seed | reset | create-admin | openapi | env-example`. Builds first.
import { ensureBuilt } from './build.mjs';
import { ensureInstalled } from './install.mjs';

await ensureInstalled();
await ensureBuilt();
await import('../dist/src/cli.js');
