// Checks that no request blocks the event loop, whatever its body, headers or target are, on any public route.
//
// A pause is the CPU time of the server's main thread in one turn of its event loop (test/support/server/pause-probe.mjs).
// The speed of the machine is measured with plain JSON bodies of one megabyte.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import type { Api, Tokens } from '../support/http/api.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { BODY_SHAPES, HEADER_SHAPES, PATH_SHAPES, QUERY_SHAPES } from '../support/fuzz/hostile-shapes.js';
import { type Operation, readOperations, type Schema } from '../support/http/openapi.js';
import { type RawRequest, send } from '../support/http/raw-http.js';
import { DataDir, ServerProcess } from '../support/server/server-process.js';

jest.setTimeout(600_000);

/** The default body limit, in bytes; the bodies fill it to the last byte. */
const BODY_LIMIT = 1_048_576;
/** The body limit of public routes, in bytes. */
const PUBLIC_BODY_LIMIT = 16_384;
const MAX_PAUSE_MS = 50;
/** On a slow machine a pause may be longer: so many times the CPU time that the main thread takes for a plain body. */
const MAX_FACTOR = 5;
/** A garbage collection may fall into one measurement, but not into each; quadratic work falls into each. */
const ATTEMPTS = 3;

const suite = process.platform === 'linux' ? describe : describe.skip;
suite('a hostile request', () => {
  const dataDir = new DataDir();
  let database: ClonedDatabase;
  let server: ServerProcess;
  let api: Api;
  let token: string;
  let operations: Operation[];
  let maxMs: number;

  beforeAll(async () => {
    database = await cloneDatabase();
    server = new ServerProcess(dataDir, {
      DATABASE_URL: database.url,
      RATE_LIMIT_MODE: 'off',
      NODE_OPTIONS: `--import ${resolve('test/support/server/pause-probe.mjs')}`,
      PAUSE_PROBE: probePath(),
    });
    api = await server.ready();
    token = await makeAdmin();
    operations = await readOperations(api);
    maxMs = await allowedMs();
  });
  afterAll(async () => {
    await server.stop();
    await database.drop();
    dataDir.remove();
  });

  async function makeAdmin(): Promise<string> {
    const login = { email: `${randomUUID()}@example.com`, password: 'correct horse battery staple' };
    const { user } = (await api.post<Tokens>('/api/auth/register', { ...login, name: 'Root' })).body;
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    await client.query(`UPDATE users SET role = 'ADMIN' WHERE uuid = $1`, [user.id]).finally(() => client.end());
    return (await api.post<Tokens>('/api/auth/login', login)).body.accessToken;
  }

  const probePath = () => join(dataDir.base, 'pause-probe.sock');
  const port = () => Number(new URL(api.url).port);

  /** Sends the request, and returns the longest pause until its response is complete. */
  async function pauseOf(request: RawRequest): Promise<{ ms: number; status: number }> {
    const probe = connect(probePath());
    await once(probe, 'data');
    const { status } = await send(port(), request);
    const answer = once(probe.end(), 'data') as Promise<[Buffer]>;
    return { ms: Number((await answer)[0]), status };
  }

  /** Returns the longest allowed pause on this machine at its present speed: plain bodies take a fifth of it, or much less. */
  async function allowedMs(): Promise<number> {
    const body = JSON.stringify({ title: 'x'.repeat(BODY_LIMIT - 100) });
    const request = { method: 'POST', path: '/api/tasks', headers: headersFor(true, true), body };
    for (let warmUp = 0; warmUp < 5; warmUp++) await send(port(), request);
    const before = mainThreadMs();
    for (let at = 0; at < 5; at++) await send(port(), request);
    return Math.max(MAX_PAUSE_MS, (MAX_FACTOR * (mainThreadMs() - before)) / 5);
  }

  function mainThreadMs(): number {
    return Number(readFileSync(`/proc/${server.pid}/task/${server.pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
  }

  function headersFor(isKnown: boolean, hasBody = false): Record<string, string> {
    return {
      ...(isKnown && { authorization: `Bearer ${token}` }),
      ...(hasBody && { 'content-type': 'application/json' }),
    };
  }

  /** Returns the status, and whether it took too long; also checks that the process answers its probe meanwhile. */
  async function faultOf(name: string, request: RawRequest): Promise<string[]> {
    let least = Infinity;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const [{ ms, status }, live] = await Promise.all([pauseOf(request), api.get('/health/live')]);
      if (live.status !== 200) return [`${name}: /health/live answered ${live.status}`];
      if (status >= 500) return [`${name}: ${status}`];
      least = Math.min(least, ms);
      if (least <= maxMs) return [];
    }
    // Other suites may have slowed the machine down since the first calibration.
    const maxNow = await allowedMs();
    const { ms } = await pauseOf(request);
    if (ms <= maxNow) return [];
    return [`${name}: ${Math.round(Math.min(ms, least))} ms, ${Math.round(maxNow)} ms are allowed`];
  }

  async function faultsOf(requests: ReadonlyArray<readonly [string, RawRequest]>): Promise<string[]> {
    const faults: string[] = [];
    for (const [name, request] of requests) faults.push(...(await faultOf(name, request)));
    return faults;
  }

  const withBodies = (path: string, method: string, schema: Schema, bytes: number, isKnown: boolean) =>
    Object.entries(BODY_SHAPES).map(([name, make]) => {
      const request = { method, path, headers: headersFor(isKnown, true), body: make(bytes, schema) };
      return [`${method} ${path}, ${name}`, request] as const;
    });

  it('has at least 60 shapes', () => {
    const all = [BODY_SHAPES, HEADER_SHAPES, QUERY_SHAPES, PATH_SHAPES].flatMap((shapes) => Object.keys(shapes));
    expect(all.length).toBeGreaterThanOrEqual(60);
  });

  it('with a body up to the limit of a public route does not block the event loop', async () => {
    const open = operations.filter(({ body, isPublic }) => body && isPublic);
    expect(open.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['/api/auth/login', '/api/auth/register', '/api/auth/refresh']),
    );
    for (const { method, path, body } of open)
      expect(await faultsOf(withBodies(path, method, body as Schema, PUBLIC_BODY_LIMIT, false))).toEqual([]);
  });

  it('with a body over that limit is refused unread', async () => {
    for (const { method, path, body } of operations.filter((operation) => operation.body && operation.isPublic)) {
      const requests = withBodies(path, method, body as Schema, BODY_LIMIT, false).filter(
        ([, { body: sent }]) => Buffer.byteLength(sent) > PUBLIC_BODY_LIMIT,
      );
      expect(requests.length).toBeGreaterThan(40);
      for (const [name, request] of requests) expect([name, (await pauseOf(request)).status]).toEqual([name, 413]);
    }
  });

  it('with a body of a megabyte, without a route or without a token, does not block the event loop', async () => {
    for (const path of ['/api/nothing', '/api/tasks'])
      expect(await faultsOf(withBodies(path, 'POST', { properties: { title: {} } }, BODY_LIMIT, false))).toEqual([]);
  });

  it.each([
    ['POST', '/api/tasks'],
    ['POST', '/api/tasks/bulk'],
    ['POST', '/api/batch'],
    ['POST', '/api/jobs'],
    ['POST', '/api/users'],
    ['POST', '/api/buckets'],
    ['PUT', '/api/profile'],
  ])('with a body of a megabyte from a logged-in user does not block the event loop: %s %s', async (method, path) => {
    const operation = operations.find((one) => one.method === method && one.path === path);
    expect(await faultsOf(withBodies(path, method, operation?.body as Schema, BODY_LIMIT, true))).toEqual([]);
  });

  it('with hostile headers or queries, on public and some other routes, does not block the event loop', async () => {
    const paths = operations
      .filter(({ isPublic, method }) => isPublic && method === 'GET')
      .map(({ path }) => path.replace(/\{\w+\}/g, 'a'));
    expect(paths.length).toBeGreaterThanOrEqual(7);
    const known = ['/api/tasks', '/api/users', '/api/files', '/api/tasks/01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11'];
    const requests = [...paths, ...known].flatMap((path) => {
      const own = headersFor(known.includes(path));
      return [
        ...Object.entries(HEADER_SHAPES).map(
          ([name, headers]) =>
            [`GET ${path}, ${name}`, { method: 'GET', path, headers: { ...own, ...headers } }] as const,
        ),
        ...Object.entries(QUERY_SHAPES).map(
          ([name, query]) => [`GET ${path}, ${name}`, { method: 'GET', path: path + query, headers: own }] as const,
        ),
      ];
    });
    expect(await faultsOf(requests)).toEqual([]);
  });

  it('with hostile headers on a route that takes a body does not block the event loop', async () => {
    const targets = ['/api/auth/login', '/api/auth/refresh', '/api/files', '/api/uploads', '/api/nothing'];
    const requests = targets.flatMap((path) =>
      Object.entries(HEADER_SHAPES).map(([name, headers]) => {
        const request = { method: 'POST', path, headers: { ...headersFor(true, true), ...headers }, body: '{}' };
        return [`POST ${path}, ${name}`, request] as const;
      }),
    );
    expect(await faultsOf(requests)).toEqual([]);
  });

  it('with a hostile path does not block the event loop', async () => {
    const requests = Object.entries(PATH_SHAPES).map(
      ([name, path]) => [name, { method: 'GET', path, headers: headersFor(true) }] as const,
    );
    expect(await faultsOf(requests)).toEqual([]);
  });
});
