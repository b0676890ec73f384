// `npm start`: installs dependencies, builds, then runs the server in this same process, so that Ctrl-C reaches it.
// With the argument `production`: only runs the built server. With `worker`: runs background jobs only.
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

/** npm's shell does not forward SIGTERM: when `npm start` is ended by its pid, the server must stop, too. */
function stopWithParent() {
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch); // a second signal would interrupt the shutdown
    process.kill(process.pid, 'SIGTERM');
  }, 500).unref();
}
