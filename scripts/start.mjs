// `npm start`: dependencies, build, then the server in this very process, so that Ctrl-C reaches it.
// With the argument `production`: the server as it was built, nothing else. With `worker`: background jobs only.
import { ensureBuilt } from './build.mjs';
import { ensureInstalled } from './install.mjs';

const [, , how] = process.argv;
if (how === 'production') process.env.NODE_ENV = 'production';
if (how === 'worker') process.env.APP_ROLE = 'worker';
if (how === undefined || process.env.NODE_ENV !== 'production') {
  await ensureInstalled();
  await ensureBuilt();
}
if (process.env.npm_lifecycle_event) stopWithParent();
await import('../dist/src/main.js');

/** npm's shell does not hand SIGTERM on: who ends `npm start` by its pid means the server too. */
function stopWithParent() {
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch); // a second signal would cut the stop short
    process.kill(process.pid, 'SIGTERM');
  }, 500).unref();
}
