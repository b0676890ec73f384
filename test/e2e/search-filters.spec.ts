// Checks the filters of all lists: one that no index covers costs more and runs as a search, so that no user can occupy the database.
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { exampleOf, type Operation, readOperations } from '../support/http/openapi.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';
import { until } from '../support/time/until.js';

jest.setTimeout(120_000);

/** Parameters that are no filters: the page, its order, and (for administrators) deleted rows or the rows of all users. */
const NO_FILTERS = ['cursor', 'limit', 'sort', 'deleted', 'all'];
/** Each has an index for every sort order of its list. */
const INDEXED = [
  '/api/tasks?status',
  ...['action', 'actorId', 'subjectId', 'since', 'until'].map((name) => `/api/audit-logs?${name}`),
];
/** The table that a list reads, unless the path ends with its name. */
const TABLES: Record<string, string> = { '/api/dead-letters': 'jobs' };

let server: TestServer;
let admin: Person;
let lists: Operation[];

beforeAll(async () => {
  const wide = { RATE_LIMIT_BURST: '10000/100000', RATE_LIMIT_SUSTAINED: '10000/100000' };
  server = await startServer({ RATE_LIMIT_MODE: 'enforce', APP_ROLE: 'api', ...wide });
  admin = await server.makeAdmin();
  // A lock on users also stops the reading of rights, unless the cache serves them.
  const hits = async () => (await admin.api.get<{ hits: number }>('/api/cache-status')).body.hits;
  await until(async () => (await hits()) > 0, 'the cache to serve');
  lists = (await readOperations(admin.api)).filter(({ parameters }) =>
    parameters.some(({ name }) => name === 'cursor'),
  );
});
afterAll(() => server.close());

/** Returns the paths of all lists with each filter that no index covers. */
function searches(): string[] {
  return lists.flatMap(({ path, parameters }) =>
    parameters
      .filter((parameter) => parameter.in === 'query' && !NO_FILTERS.includes(parameter.name))
      .filter(({ name }) => !INDEXED.includes(`${path}?${name}`))
      .map(({ name, schema }) => `${path}?${name}=${encodeURIComponent(String(exampleOf(schema)))}`),
  );
}

function tableOf(path: string): string {
  const [list = ''] = path.split('?');
  return TABLES[list] ?? list.slice(list.lastIndexOf('/') + 1);
}

async function remaining(path: string): Promise<number> {
  const { status, headers } = await admin.api.get(path);
  expect([path, status]).toEqual([path, 200]);
  return Number(/"burst";r=(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1]);
}

describe('filters that no index covers', () => {
  it('exist on the lists of this test', () => {
    const paths = new Set(searches().map((path) => path.split('?')[0]));
    expect(paths.size).toBeGreaterThanOrEqual(5);
    for (const path of [...Object.keys(TABLES), '/api/tasks', '/api/users']) expect(paths).toContain(path);
  });

  it('cost five requests', async () => {
    for (const path of searches()) {
      const before = await remaining('/api/profile');
      const cost = before - (await remaining(path));
      expect([path, [4, 5].includes(cost)]).toEqual([path, true]); // one may have been refilled meanwhile
    }
  });

  it('of one user are refused while a few of them wait', async () => {
    for (const path of searches()) {
      expect([path, (await refusalsWhileLocked(path)) > 0]).toEqual([path, true]);
    }
  });
});

/** Sends 20 searches while the table of the list is locked. Returns the number of refused ones, as soon as there is one. */
async function refusalsWhileLocked(path: string): Promise<number> {
  const client = new pg.Client({ connectionString: server.databaseUrl });
  await client.connect();
  let refused = 0;
  try {
    await client.query('BEGIN');
    await client.query(`LOCK TABLE ${tableOf(path)} IN ACCESS EXCLUSIVE MODE`);
    const answers = Array.from({ length: 20 }, async (_, n) => {
      const { body } = await admin.api.get<{ code?: string }>(`${path}&limit=${n + 2}`); // no two share a cached page
      refused += Number(body.code === 'SEARCH_BUSY');
    });
    const all = Promise.all(answers);
    await Promise.race([until(() => refused > 0, `a refused search of ${path}`), all]);
    await client.query('ROLLBACK');
    await all;
    return refused;
  } finally {
    await client.end();
  }
}
