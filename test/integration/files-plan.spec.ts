// The cleanup of files and their links reads only what it may delete, measured without a clock.
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { explain, explainGeneric, nodesOf, type PlanNode, rowsReadBy } from '../support/engines/query-plan.js';
import { openRepositories, type Repositories, type Statement } from '../support/stores/repositories.js';

jest.setTimeout(60_000);

/** One in five of the files is purged, one link in five is to such a file. */
const FILES = 100_000;
const RANGE = { after: '0', below: String(FILES), limit: 1_000 };

let database: ClonedDatabase;
let client: pg.Client;
let repositories: Repositories;

beforeAll(async () => {
  database = await cloneDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query(`SET synchronous_commit = off`);
  await client.query(`INSERT INTO users (id, uuid, email) VALUES (1, gen_random_uuid(), 'ada@example.com')`);
  await client.query(`
    INSERT INTO blobs (id, storage_key, scope, sha256, size, reference_count) VALUES (1, gen_random_uuid(), 1, '', 1, 80000)`);
  await client.query(`
    INSERT INTO files (id, uuid, owner_id, owner_uuid, name, mime_type, declared_type, size, sha256, updated_at, deleted_at, blob_id)
    SELECT i, gen_random_uuid(), 1, gen_random_uuid(), 'name', '', '', 1, '', t.at, CASE WHEN i % 5 = 0 THEN t.at END,
      CASE WHEN i % 5 > 0 THEN 1 END
    FROM generate_series(1, ${FILES}) i, LATERAL (SELECT now() - interval '2 days' AS at) t`);
  await client.query(`
    INSERT INTO file_links (id, uuid, file_id, owner_id, file_version, expires_at)
    SELECT i, gen_random_uuid(), i, 1, 1, now() + interval '1 day' FROM generate_series(2, ${FILES}, 2) i`);
  await client.query(`
    INSERT INTO uploads (id, owner_id, bucket, metadata, size, storage_key, expires_at, file_uuid)
    SELECT gen_random_uuid(), 1, 'default', '', 0, gen_random_uuid(), now(), uuid FROM files WHERE id <= 20000`);
  await client.query('ANALYZE');
  repositories = await openRepositories(database.url);
});
afterAll(async () => {
  await repositories.close();
  await client.end();
  await database.drop();
});

/** Returns the plan, with the values known and not known, of the only statement that `work` sends. */
async function plansOf(work: () => Promise<unknown>): Promise<PlanNode[]> {
  const sent = await repositories.statementsOf(work);
  expect(sent).toHaveLength(1);
  return [await rolledBack(explain, sent[0]!), await rolledBack(explainGeneric, sent[0]!)];
}

async function rolledBack(explained: typeof explain, statement: Statement): Promise<PlanNode> {
  await client.query('BEGIN');
  try {
    return await explained(client, statement);
  } finally {
    await client.query('ROLLBACK');
  }
}

it('the cleanup of files reads purged files only, and the links of those in its range', async () => {
  for (const plan of await plansOf(() => repositories.files.deletePurged(RANGE))) {
    expect(nodesOf(plan).map((node) => node['Index Name'])).toContain('files_purged');
    expect(rowsReadBy(plan)).toBeLessThanOrEqual(6_000);
  }
});

it('the cleanup of links reads the links of its range, and the file of each', async () => {
  for (const plan of await plansOf(() => repositories.links.purge(RANGE, 30))) expect(rowsReadBy(plan)).toBeLessThanOrEqual(6_000);
}); // prettier-ignore

it('the deletion of a file finds its upload by an index', async () => {
  const [file] = (await client.query<{ uuid: string }>('SELECT uuid FROM files WHERE id = 7')).rows;
  for (const plan of await plansOf(() => repositories.files.forgetUploadMetadata(file!.uuid))) {
    expect(nodesOf(plan).map((node) => node['Index Name'])).toContain('uploads_file');
    expect(rowsReadBy(plan)).toBeLessThanOrEqual(2);
  }
});
