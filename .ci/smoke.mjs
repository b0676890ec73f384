// Starts the built server as production would, on the embedded PostgreSQL, calls it, and watches it stop.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const LIMIT_MS = 30_000;

const dataDir = mkdtempSync(join(tmpdir(), 'holdfast-smoke-'));
const port = await findFreePort();
const secret = () => randomBytes(32).toString('base64url');
const env = {
  ...process.env,
  ...{ NODE_ENV: 'production', EMBEDDED: 'true', DATABASE_URL: '', DATABASE_HOST: '', DATA_DIR: dataDir },
  ...{ JWT_SECRET: secret(), SESSION_SECRET: secret(), COOKIE_SECRET: secret() },
  ...{ HOST: '127.0.0.1', PORT: String(port), SHUTDOWN_DELAY: '0' },
};

try {
  execFileSync('npm', ['run', '--silent', 'migration:run'], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  const server = spawn(process.execPath, ['dist/src/main.js'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  server.stdout.on('data', (text) => (output += text));
  const ended = once(server, 'close');
  try {
    await untilReady(server);
    await useIt();
    const postgres = Number.parseInt(readFileSync(pidFile(), 'utf8'), 10);
    server.kill('SIGTERM');
    assert.deepEqual(await within(ended, 'the end after SIGTERM'), [0, null]);
    assert.throws(() => process.kill(postgres, 0), { code: 'ESRCH' }, 'PostgreSQL still runs');
    assert.ok(!existsSync(pidFile()), 'PostgreSQL left its postmaster.pid');
  } catch (error) {
    console.error(output);
    throw error;
  } finally {
    server.kill('SIGKILL');
    await ended;
  }
  console.log('The built server started, answered and stopped.');
} finally {
  for (const folder of new Set([home(), dataDir])) rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
}

async function untilReady(server) {
  const ready = () => fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => undefined);
  for (const began = performance.now(); (await ready())?.status !== 200; await sleep(50)) {
    assert.equal(server.exitCode, null, 'The server ended before it was ready');
    assert.ok(performance.now() - began < LIMIT_MS, `Not ready after ${LIMIT_MS} ms`);
  }
}

async function useIt() {
  const account = { email: 'smoke@example.com', password: secret(), name: 'Smoke' };
  const { user, accessToken } = await call(201, '/api/auth/register', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(account),
  });
  const profile = await call(200, '/api/profile', { headers: { Authorization: `Bearer ${accessToken}` } });
  assert.equal(profile.id, user.id);
}

async function call(status, path, options) {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, options);
  const text = await answer.text();
  assert.equal(answer.status, status, `${path}: ${text}`);
  return JSON.parse(text);
}

function within(promise, what) {
  const late = sleep(LIMIT_MS, undefined, { ref: false }).then(() => assert.fail(`Waited ${LIMIT_MS} ms for ${what}`));
  return Promise.race([promise, late]);
}

/** Where the cluster stands: as root sometimes outside DATA_DIR. */
function home() {
  const location = join(dataDir, 'postgres.location');
  return existsSync(location) ? readFileSync(location, 'utf8').trim() : dataDir;
}

function pidFile() {
  return join(home(), 'postgres', 'postmaster.pid');
}

async function findFreePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: free } = server.address();
  server.close();
  await once(server, 'close');
  return free;
}
