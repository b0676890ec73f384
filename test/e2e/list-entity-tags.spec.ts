// Checks that every list has an ETag that changes exactly when the list does (RFC 9110, 8.8.3), for GET and HEAD.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Answer, Page } from '../support/http/api.js';
import { uploadFile } from '../support/jobs/job-requests.js';
import { exampleOf, type Operation, readOperations } from '../support/http/openapi.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';
import { Tus } from '../support/http/tus.js';

interface Document {
  paths: Record<string, { get?: { responses: Record<string, { headers?: Record<string, unknown> }> } }>;
}

/** The list routes: those whose first page has a Link header. */
const lists = Object.entries((JSON.parse(readFileSync('openapi.json', 'utf8')) as Document).paths)
  .filter(([, { get }]) => get?.responses['200']?.headers?.['Link'])
  .map(([path]) => path);

let server: TestServer;
let root: Person;
let fileId: string;
let tus: Tus;
let operations: Operation[];
let made = 0;

beforeAll(async () => {
  server = await startServer({ APP_ROLE: 'api' }); // no job runs and finishes during the test
  root = await server.makeAdmin();
  tus = new Tus(root.api);
  operations = await readOperations(root.api);
  fileId = await uploadFile(root, 'name\nAda\n');
});
afterAll(() => server.close());

/** Adds an item to a list, so that its first page changes. Other lists: a POST of the example of the document. */
const additions: Record<string, () => Promise<unknown>> = {
  '/api/audit-logs': () => createBucket(),
  '/api/auth/sessions': () => server.login(root.email),
  '/api/buckets': () => createBucket(),
  '/api/dead-letters': () =>
    insert(
      `INSERT INTO jobs (id, uuid, type, queue, payload, status, attempt, max_attempts, reason, finished_at, errors)
       VALUES ($1, $2, 'test.gone', 'gone', '{}', 'FAILED', 1, 1, 'JOB_TIMED_OUT', now(), '[]')`,
    ),
  '/api/files': () => uploadFile(root, `name\n${++made}\n`),
  '/api/files/{id}/links': () => root.api.post(`/api/files/${fileId}/link`, { expiresIn: 60 }),
  '/api/jobs': () => root.api.post('/api/jobs', { type: 'users.statistics', payload: {}, runAt: inAnHour() }),
  '/api/schedules': () =>
    server.sql(`INSERT INTO schedules (name, cron, time_zone) VALUES ('a${++made}', '17 3 * * *', 'UTC')`),
  '/api/uploads': () => tus.begin(5),
  '/api/users': () => server.registerUser(`Person${++made}`),
};

/** A read of the audit log adds a line to it, so the whole list changes with each read. */
const filters: Record<string, string> = { '/api/audit-logs': '&action=bucket.created' };

function postExample(path: string): Promise<unknown> {
  const create = operations.find((operation) => operation.method === 'POST' && operation.path === path);
  if (!create?.body) throw new Error(`State in \`additions\` how an item gets into ${path}.`);
  return root.api.post(path, exampleOf(create.body));
}

// The name puts it in front of the list.
const createBucket = () => root.api.post('/api/buckets', { name: `a${1_000_000 - ++made}` });
const insert = (text: string) => server.sql(text, `${++made}`, randomUUID());
const inAnHour = (): string => new Date(Date.now() + 3_600_000).toISOString();

describe.each(lists)('the list GET %s', (path) => {
  const ask = (method: 'GET' | 'HEAD', known?: string): Promise<Answer<Page<unknown> | undefined>> =>
    root.api.request(method, `${path.replace('{id}', fileId)}?limit=2${filters[path] ?? ''}`, undefined, {
      headers: known === undefined ? {} : { 'if-none-match': known },
    });

  it('has the same ETag until it changes; GET and HEAD with If-None-Match return 304', async () => {
    const add = additions[path] ?? (() => postExample(path));
    for (let count = 0; count < 3; count++) await add(); // more than one page
    const first = await ask('GET');
    const etag = first.headers.get('etag') ?? '';
    expect(first.status).toBe(200);
    expect(etag).toMatch(/^"[\w-]{22}"$/);
    expect((await ask('GET')).headers.get('etag')).toBe(etag);
    const head = await ask('HEAD');
    for (const name of ['etag', 'link', 'content-type', 'content-length', 'cache-control', 'vary'])
      expect([name, head.headers.get(name)]).toEqual([name, first.headers.get(name)]);
    for (const method of ['GET', 'HEAD'] as const) {
      const known = await ask(method, `"other", W/${etag}`);
      expect([method, known.status, known.headers.get('etag'), known.body]).toEqual([method, 304, etag, undefined]);
      expect((await ask(method, '"other"')).status).toBe(200);
    }
    await add();
    for (const method of ['GET', 'HEAD'] as const) {
      const changed = await ask(method, etag);
      expect([method, changed.status]).toEqual([method, 200]);
      expect(changed.headers.get('etag')).not.toBe(etag);
    }
  });
});
