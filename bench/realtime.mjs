// Measures WebSockets of one user: memory at rest, a resume storm, deliveries and their delay. `npm run build && node bench/realtime.mjs [SOCKETS]`. Linux only.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import WebSocket from 'ws';

const SOCKETS = Number(process.argv[2] ?? 10_000); // needs as many descriptors: ulimit -n
const MISSED = 10;
const LIVE = 20;
const PORT = process.env.PORT ?? '3999';
const url = `http://127.0.0.1:${PORT}`;
const dataDir = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
const limits = { MAX_CONNECTIONS: '100000', MAX_CONNECTIONS_PER_ADDRESS: '50000', RATE_LIMIT_MODE: 'off' };
const clients = { REALTIME_CLIENTS_PER_USER: '50000', REALTIME_CLIENTS_PER_ADDRESS: '50000' };
const env = { ...process.env, DATA_DIR: dataDir, PORT, NODE_ENV: 'test', LOG_LEVEL: 'error', ...limits, ...clients };
const server = spawn(process.execPath, ['dist/src/main.js'], { env, stdio: ['ignore', 'ignore', 'inherit'] });
while ((await fetch(`${url}/health/ready`).catch(() => null))?.status !== 200) await delay(50);

const account = { email: 'ada@example.com', password: 'correct horse battery staple', name: 'Ada' };
const { accessToken } = await post('/api/auth/register', account);
const bearer = { authorization: `Bearer ${accessToken}` };
const { nextCursor } = await (await fetch(`${url}/api/events`, { headers: bearer })).json();

const before = memoryKiB();
const sockets = [];
while (sockets.length < SOCKETS) sockets.push(...(await Promise.all(Array.from({ length: 100 }, open))));
await delay(5_000);
console.log(`${SOCKETS} idle sockets: ${((memoryKiB() - before) / SOCKETS).toFixed(1)} KiB each`);
await measure('checks of idle sockets, for 5 s', () => delay(5_000));

for (let at = 0; at < MISSED; at++) await post('/api/tasks', { title: `missed ${at}` }, bearer);
await delay(500);
await measure(`all resume at once, ${MISSED} events missed`, () =>
  each((socket) => socket.send(JSON.stringify({ type: 'SUBSCRIBE_TASKS', since: nextCursor })), /"SUBSCRIBED"/, 1),
);
const delays = [];
const sentAt = new Map();
const cpuMs = await measure(`${LIVE} creates one after the other, ${SOCKETS * LIVE} deliveries`, async () => {
  const received = each(
    () => undefined,
    /"TASK_CREATED"/,
    LIVE,
    (text) => {
      delays.push(performance.now() - sentAt.get(/"live \d+"/.exec(text)[0]));
    },
  );
  for (let at = 0; at < LIVE; at++) {
    sentAt.set(`"live ${at}"`, performance.now());
    await post('/api/tasks', { title: `live ${at}` }, bearer);
  }
  await received;
});
delays.sort((a, b) => a - b);
const place = (share) => Math.round(delays[Math.floor(delays.length * share)]);
console.log(`${Math.round((SOCKETS * LIVE) / (cpuMs / 1_000))} deliveries for each second of CPU`);
console.log(`from POST to event: median ${place(0.5)} ms, p99 ${place(0.99)} ms`);

for (const socket of sockets) socket.terminate();
const ended = new Promise((resolve) => server.once('exit', resolve));
server.kill('SIGTERM');
await ended;
rmSync(dataDir, { recursive: true, force: true });

async function post(path, body, authorization = undefined) {
  const headers = { 'content-type': 'application/json', ...authorization };
  const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return response.json();
}

function open() {
  return new Promise((resolve, reject) => {
    const address = `${url.replace('http', 'ws')}/ws/updates?token=${accessToken}`;
    const socket = new WebSocket(address, { perMessageDeflate: false });
    socket.once('open', () => resolve(socket)).once('error', reject);
  });
}

/** Calls `begin` with each socket; resolves when each has received `count` messages that match. */
function each(begin, pattern, count, onMessage = () => undefined) {
  const waiting = sockets.map((socket) => {
    let left = count;
    return new Promise((resolve, reject) => {
      const onClose = (code) => reject(new Error(`Closed with ${code}`));
      const listener = (data) => {
        const text = data.toString();
        if (!pattern.test(text)) return;
        onMessage(text);
        if (--left > 0) return;
        socket.off('message', listener).off('close', onClose);
        resolve();
      };
      socket.on('message', listener).once('close', onClose);
    });
  });
  for (const socket of sockets) begin(socket);
  return Promise.all(waiting);
}

async function measure(what, work) {
  const [began, cpu] = [performance.now(), cpuTimeMs()];
  await work();
  const used = cpuTimeMs() - cpu;
  console.log(`${what}: ${Math.round(performance.now() - began)} ms, of them ${used} ms of CPU of the server`);
  return used;
}

function memoryKiB() {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))[1]);
}

function cpuTimeMs() {
  const fields = readFileSync(`/proc/${server.pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
