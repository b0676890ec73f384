// The seals of the audit log: what a DBA with all rights changes, removes, adds or cuts off is named.
import { randomUUID } from 'node:crypto';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { AuditSealer } from '../../src/audit/seals/audit-sealer.js';
import { AuditVerifier, type Verification } from '../../src/audit/seals/audit-verifier.js';
import { type TestServer, startServer } from '../support/server/server.js';
import { until } from '../support/time/until.js';

jest.setTimeout(60_000);

/** A server with an audit log of three seals. */
class SealedServer {
  private constructor(
    readonly server: TestServer,
    readonly checkpoints: string,
    /** Last sealed position. */
    readonly last: number,
  ) {}

  static async start(): Promise<SealedServer> {
    const checkpoints = await mkdtemp(join(tmpdir(), 'holdfast-checkpoints-'));
    const server = await startServer({ AUDIT_CHECKPOINT_DIR: checkpoints });
    const seals = () => server.sql<{ last: string }>('SELECT last FROM audit_seals ORDER BY first');
    for (let n = 1; n <= 3; n++) {
      await server.registerUser();
      await until(async () => (await seals()).length >= n, `seal ${n}`);
    }
    const one = new SealedServer(server, checkpoints, Number((await seals()).at(-1)?.last));
    await one.sealsAll();
    await until(async () => (await one.verify()).hasCheckpoint, 'a checkpoint');
    await server.sql(
      'CREATE TABLE good_log AS TABLE audit_log; CREATE TABLE good_seals AS TABLE audit_seals; CREATE TABLE good_positions AS TABLE audit_positions',
    );
    return one;
  }

  verify(): Promise<Verification> {
    return this.server.app.get(AuditVerifier).verify();
  }

  sealsAll(): Promise<unknown> {
    return until(async () => (await this.verify()).unsealed === 0, 'all entries to be sealed');
  }

  /** Runs statements as a DBA who may also disable triggers. */
  async asDba(sql: string): Promise<void> {
    await this.server.sql(`
      ALTER TABLE audit_log DISABLE TRIGGER USER; ALTER TABLE audit_seals DISABLE TRIGGER USER;
      ${sql};
      ALTER TABLE audit_log ENABLE TRIGGER USER; ALTER TABLE audit_seals ENABLE TRIGGER USER`);
  }

  undo(): Promise<void> {
    return this.asDba(`
      DELETE FROM audit_log; DELETE FROM audit_seals; DELETE FROM audit_positions;
      CREATE UNIQUE INDEX IF NOT EXISTS audit_log_position ON audit_log (position);
      INSERT INTO audit_log TABLE good_log; INSERT INTO audit_seals TABLE good_seals; INSERT INTO audit_positions TABLE good_positions`);
  }

  async close(): Promise<void> {
    await this.server.close();
    await rm(this.checkpoints, { recursive: true, force: true });
  }
}

const COPY = `
  INSERT INTO audit_log (id, uuid, created_at, position, actor_uuid, action, details)
  SELECT id + 1, gen_random_uuid(), created_at, POSITION, actor_uuid, action, details FROM audit_log WHERE position = 2`;
const CUT = `
  DELETE FROM audit_log WHERE position > (SELECT last FROM audit_seals WHERE first = 1);
  DELETE FROM audit_seals WHERE first > 1;
  UPDATE audit_positions SET position = (SELECT max(position) FROM audit_log)`;

describe('a sealed log', () => {
  let sealed: SealedServer;
  beforeAll(async () => {
    sealed = await SealedServer.start();
    await sealed.server.app.get(AuditSealer).beforeApplicationShutdown(); // nothing is sealed between a change and its undoing
  });
  afterAll(() => sealed.close());

  it('that nobody touched has no fault', async () => {
    const { last } = sealed;
    expect(await sealed.verify()).toMatchObject({ sealed: { first: '1', last: String(last) }, faults: [] });
  });

  it('refuses UPDATE, DELETE and TRUNCATE, and so do its seals', async () => {
    for (const [table, set] of [
      ['audit_log', `details = '{}'`],
      ['audit_seals', `root = ''`],
    ])
      for (const sql of [`UPDATE ${table} SET ${set}`, `DELETE FROM ${table}`, `TRUNCATE ${table}`])
        await expect(sealed.server.sql(sql)).rejects.toThrow(`${table} is append-only`);
  });

  it.each([
    ['a changed entry', `UPDATE audit_log SET details = '{"x": 1}' WHERE position = 2`, ['Entry 2 was changed.']],
    ['a hidden entry', `UPDATE audit_log SET deleted_at = now() WHERE position = 3`, ['Entry 3 was changed.']],
    ['a removed entry', `DELETE FROM audit_log WHERE position = 2`, ['Entry 2 was removed.']],
    ['an added entry', COPY.replace('POSITION', '0'), ['1 entry was added outside the sealed ones.']],
    [
      'an entry added at a position that is taken',
      `DROP INDEX audit_log_position; ${COPY.replace('POSITION', '3')}`,
      ['Entry 3 was added.'],
    ],
    [
      'a changed entry with a new hash in its seal',
      `UPDATE audit_log SET action = 'x' WHERE position = 1;
       UPDATE audit_seals SET leaves = sha256('x') || substring(leaves FROM 33) WHERE first = 1`,
      [expect.stringMatching(/^The seal of entr.* was changed/)],
    ],
    [
      'two entries exchanged',
      `UPDATE audit_log SET position = -1 WHERE position = 1; UPDATE audit_log SET position = 1 WHERE position = 2;
       UPDATE audit_log SET position = 2 WHERE position = -1`,
      ['Entry 1 was changed.', 'Entry 2 was changed.'],
    ],
    [
      'a removed seal with its entries',
      `DELETE FROM audit_log WHERE position <= (SELECT last FROM audit_seals WHERE first = 1); DELETE FROM audit_seals WHERE first = 1`,
      [expect.stringMatching(/^Entr.* 1 .*their seals were removed\.$/)],
    ],
    [
      'a removed seal in the middle',
      `DELETE FROM audit_seals WHERE first = (SELECT min(first) FROM audit_seals WHERE first > 1)`,
      [expect.stringMatching(/^The seals of entr.* were removed\.$/)],
    ],
    [
      'a removal that was recorded as if by a cleanup',
      `DELETE FROM audit_log WHERE position <= (SELECT last FROM audit_seals ORDER BY first OFFSET 1 LIMIT 1);
       INSERT INTO new_events (name, is_published, is_audited, data)
       SELECT 'audit.purged', false, true, json_build_object('through', last::text) FROM audit_seals ORDER BY first OFFSET 1 LIMIT 1;
       DELETE FROM audit_seals WHERE first < (SELECT max(first) FROM audit_seals)`,
      [expect.stringMatching(/^Entries after \d+ were removed as if by a cleanup, before they were 365 days old\.$/)],
    ],
    ['a cut end, with its seals and its position', CUT, [expect.stringMatching(/^The end was cut off/)]],
  ] as Array<[string, string, unknown[]]>)('names %s', async (_what, sql, faults) => {
    await sealed.asDba(sql);
    expect((await sealed.verify()).faults).toEqual(faults);
    await sealed.undo();
    expect((await sealed.verify()).faults).toEqual([]);
  });

  it('without its checkpoint hides that its end was cut, and states that the checkpoint is missing', async () => {
    await rename(sealed.checkpoints, `${sealed.checkpoints}-away`);
    await sealed.asDba(CUT);
    expect(await sealed.verify()).toMatchObject({ hasCheckpoint: false, faults: [] });
    await sealed.undo();
    await rename(`${sealed.checkpoints}-away`, sealed.checkpoints);
  });
});

describe('a log that goes on', () => {
  let sealed: SealedServer;
  beforeAll(async () => {
    sealed = await SealedServer.start();
  });
  afterAll(() => sealed.close());

  it('names an entry that was removed before it was sealed, and later a cut end', async () => {
    const { server, last } = sealed;
    await server.sql('UPDATE audit_positions SET position = position + 1');
    await server.registerUser();
    await sealed.sealsAll();
    expect((await sealed.verify()).faults).toEqual([`Entry ${last + 1} was removed.`]);

    await sealed.asDba(CUT);
    for (let n = 0; n < 2 * last; n++) await server.registerUser(); // more than were cut off
    await sealed.sealsAll();
    expect((await sealed.verify()).faults).toEqual([expect.stringMatching(/checkpoint/)]);
    const lines = () => server.log.filter((text) => text.includes('does not contain the seal of its checkpoint'));
    await until(() => lines().length > 0, 'the error in the log');
    expect(lines()).toEqual([expect.stringContaining('"level":"error"')]);
  });

  it('names a log that was sealed anew under another id', async () => {
    await sealed.asDba('DELETE FROM audit_seals; UPDATE audit_positions SET log_id = gen_random_uuid()');
    await sealed.sealsAll();
    expect((await sealed.verify()).faults).toContain('The log was replaced: its id is not the one of the checkpoint.');
  });

  it('that no one seals, because a session holds the lock, is an error in the log', async () => {
    const { server } = sealed;
    const client = new pg.Client({ connectionString: server.databaseUrl });
    await client.connect();
    await client.query(`SELECT pg_advisory_lock(hashtextextended('audit:seal', 0))`);
    await server.registerUser();
    const stuck = () => server.log.filter((text) => text.includes('has not been sealed for 10 s'));
    await until(() => stuck().length > 0, 'the error in the log', 30_000);
    await client.end();
    await sealed.sealsAll();
    expect(stuck()).toHaveLength(1);
  });
});

it('the server works in a role that has no right to change or delete entries (docs/operations/production.md)', async () => {
  const role = `test_app_${randomUUID().slice(0, 8)}`;
  let url = new URL('postgres:');
  const server = await startServer({}, async (ownerUrl) => {
    url = new URL(ownerUrl);
    await query(
      url,
      `CREATE ROLE ${role} LOGIN PASSWORD 'open-sesame';
       GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${role};
       GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${role};
       REVOKE UPDATE, DELETE ON audit_log, audit_seals FROM ${role}`,
    );
    return withUser(url, role).href;
  });
  try {
    const root = await server.makeAdmin();
    expect((await root.api.post('/api/tasks', { title: 'x' })).status).toBe(201);
    const { body } = await root.api.get<{ items: unknown[] }>('/api/audit-logs?action=user.created');
    expect(body.items).toHaveLength(1);
    await until(async () => (await server.app.get(AuditVerifier).verify()).sealed !== null, 'a seal');
    const asApp = (sql: string) => query(withUser(url, role), sql);
    await asApp('SELECT keep_event_partitions(7)');
    await asApp('SELECT purge_audit_log(365, 10000)');
    await query(url, `GRANT DELETE ON audit_log TO ${role}`);
    const pretends = `SET holdfast.purges_audit_log = 'on'; DELETE FROM audit_log`;
    await expect(asApp(pretends)).rejects.toThrow('audit_log is append-only');
    await query(url, `REVOKE DELETE ON audit_log FROM ${role}`);
    for (const sql of [`UPDATE audit_log SET action = 'x'`, 'DELETE FROM audit_log', 'TRUNCATE audit_seals'])
      await expect(asApp(sql)).rejects.toThrow('permission denied');
    await expect(asApp('ALTER TABLE audit_log DISABLE TRIGGER USER')).rejects.toThrow('must be owner');
    await expect(asApp('SELECT purge_audit_log(0, 10000)')).rejects.toThrow('keeps entries for a day');
    expect(server.log.filter((line) => line.includes('"level":"error"'))).toEqual([]);
  } finally {
    await server.close();
    await query(new URL('/postgres', url), `DROP ROLE ${role}`);
  }
});

function withUser(url: URL, user: string): URL {
  return Object.assign(new URL(url), { username: user, password: 'open-sesame' });
}

async function query(url: URL, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  await client.query(sql).finally(() => client.end());
}
