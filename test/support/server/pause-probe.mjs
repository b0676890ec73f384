// Measures the longest pause of the event loop of the process that imports it, in CPU time (`node --import <this file>`).
//
// Listens on the Unix socket PAUSE_PROBE. A measurement begins with a connection; when the client ends its side, the server
// answers with the longest pause in milliseconds. A pause is the CPU time of the main thread within one turn of the event loop:
// wall-clock time would include the other processes of a busy machine.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setImmediate } from 'node:timers';
import { isMainThread } from 'node:worker_threads';

/** Returns the CPU time of this thread so far, in milliseconds; Linux counts it in nanoseconds, and adds it up at each tick. */
const threadMs = () => Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1e6;

function measure(socket) {
  let longest = 0;
  let last = threadMs();
  let isOver = false;
  const turn = () => {
    const now = threadMs();
    longest = Math.max(longest, now - last);
    last = now;
    if (isOver) socket.end(String(longest));
    else setImmediate(turn);
  };
  setImmediate(turn);
  socket.resume().once('end', () => (isOver = true));
  socket.once('error', () => (isOver = true));
  socket.write('.'); // the client sends its request when the measurement runs
}

if (isMainThread) createServer({ allowHalfOpen: true }, measure).listen(process.env['PAUSE_PROBE']).unref();
