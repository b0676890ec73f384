// Measures the longest pause of the event loop of a server that imports it (`node --import <this file>`).
//
// Listens on the Unix socket PAUSE_PROBE. A measurement begins with a connection; when the client ends its side, the server
// answers with the longest pause in milliseconds.
import { createServer } from 'node:net';
import { isMainThread } from 'node:worker_threads';
import { measurePauses } from './event-loop-pause.mjs';

function answer(socket) {
  const longestPause = measurePauses();
  const end = async () => socket.end(String(await longestPause()));
  socket.resume().once('end', end).once('error', end);
  socket.write('.'); // the client sends its request when the measurement runs
}

if (isMainThread) createServer({ allowHalfOpen: true }, answer).listen(process.env['PAUSE_PROBE']).unref();
