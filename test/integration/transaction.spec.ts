// The unit of work on a real database: commits, what is called at the end, and retries.
import { EventEmitter, once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { pino } from 'pino';
import { DataSource } from 'typeorm';
import { PostgresQueryRunner } from 'typeorm/driver/postgres/PostgresQueryRunner.js';
import { DatabaseSettings } from '../../src/shared/database/database.settings.js';
import { servingOptions } from '../../src/shared/database/database.options.js';
import { sqlStateOf } from '../../src/shared/database/sql-state.js';
import { PipelinedConnections } from '../../src/shared/database/pipelined-connections.js';
import { type Outcome, Transaction } from '../../src/shared/database/transaction.js';
import { testConfig } from '../support/config.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';

let database: ClonedDatabase;
let dataSource: DataSource;
let transaction: Transaction;
const log: string[] = [];

beforeAll(async () => {
  database = await cloneDatabase();
  dataSource = await new DataSource(
    servingOptions(testConfig(database.url).get(DatabaseSettings), database.url),
  ).initialize();
  transaction = new Transaction(
    dataSource,
    new PipelinedConnections(dataSource),
    pino({}, { write: (line) => void log.push(line) }),
  );
  await dataSource.query(`
    CREATE TABLE note (id int PRIMARY KEY, text text NOT NULL,
      twin int REFERENCES note DEFERRABLE INITIALLY DEFERRED)`);
});
afterAll(async () => {
  await dataSource.destroy();
  await database.drop();
});
beforeEach(() => dataSource.query(`TRUNCATE note; INSERT INTO note VALUES (1, 'one'), (2, 'two')`));

const inside = (sql: string) => transaction.manager.query<Array<Record<string, unknown>>>(sql);

async function stored(): Promise<string[]> {
  return (await dataSource.query<Array<{ text: string }>>('SELECT text FROM note ORDER BY id')).map(({ text }) => text);
}

const prepare = jest.fn<() => Promise<void>>();
const finish = jest.fn<(outcome: Outcome) => void>();
beforeEach(() => {
  prepare.mockReset().mockResolvedValue();
  finish.mockReset();
});
const key = {};
const take = () => transaction.participant(key, () => ({ prepare, finish }));

describe('a participant of a transaction', () => {
  it('is prepared before the commit, and notified after it', async () => {
    prepare.mockImplementation(async () => expect(await stored()).toEqual(['one', 'two'])); // read on another connection
    finish.mockImplementation(() => expect(prepare).toHaveBeenCalledTimes(1));
    await transaction.run(async () => {
      take();
      await inside(`INSERT INTO note VALUES (3, 'three')`);
      expect(prepare).not.toHaveBeenCalled();
    });
    expect(finish.mock.calls).toEqual([['committed']]);
    expect(await stored()).toEqual(['one', 'two', 'three']);
  });

  it('is notified without preparation when the work fails', async () => {
    const failing = transaction.run(async () => {
      take();
      await inside(`INSERT INTO note VALUES (3, 'three')`);
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    expect([prepare.mock.calls, finish.mock.calls]).toEqual([[], [['rolled back']]]);
    expect(await stored()).toEqual(['one', 'two']);
  });

  it('may veto the commit', async () => {
    prepare.mockRejectedValue(new Error('not now'));
    const refused = transaction.run(async () => {
      take();
      await inside(`INSERT INTO note VALUES (3, 'three')`);
    });
    await expect(refused).rejects.toThrow('not now');
    expect(finish.mock.calls).toEqual([['rolled back']]);
    expect(await stored()).toEqual(['one', 'two']);
  });

  it('is notified when the COMMIT itself fails', async () => {
    const failing = transaction.run(async () => {
      take();
      await inside(`INSERT INTO note VALUES (3, 'three', 99)`); // its deferred foreign key is checked at the commit
    });
    await expect(failing).rejects.toMatchObject({ driverError: { code: '23503' } });
    expect(finish.mock.calls).toEqual([['rolled back']]);
    expect(await stored()).toEqual(['one', 'two']);
  });

  it('is notified of an unknown outcome when the connection breaks during the COMMIT', async () => {
    prepare.mockImplementation(async () => {
      const commit = jest.spyOn(PostgresQueryRunner.prototype, 'commitTransaction');
      commit.mockImplementationOnce(() => Promise.reject(new Error('Connection terminated unexpectedly')));
    });
    await expect(transaction.run(async () => void take())).rejects.toThrow('Connection terminated');
    expect(finish.mock.calls).toEqual([['unknown']]);
  });

  it('exists once per transaction and key, and not outside a transaction', async () => {
    expect(take()).toBeUndefined();
    await transaction.run(async () => {
      const first = take();
      expect(first).toBeDefined();
      expect(take()).toBe(first);
      expect(transaction.participant({}, () => ({ prepare, finish }))).not.toBe(first);
    });
    expect(finish).toHaveBeenCalledTimes(2);
  });
});

describe('a callback for the end of a transaction', () => {
  const called: string[] = [];
  beforeEach(() => {
    called.length = 0;
    log.length = 0;
  });
  const register = () => {
    transaction.onCommitted(() => void called.push('onCommitted'));
    transaction.onRolledBack(() => void called.push('onRolledBack'));
    transaction.onEnd((outcome) => void called.push(outcome));
  };

  it('is called after the commit, in the order of registration and outside the transaction', async () => {
    let seen: [string[], boolean] | undefined;
    await transaction.run(async () => {
      register();
      transaction.onCommitted(async () => void (seen = [await stored(), transaction.isRunning]));
      await inside(`INSERT INTO note VALUES (3, 'three')`);
      expect(called).toEqual([]);
    });
    expect(called).toEqual(['onCommitted', 'committed']);
    while (!seen) await delay(5); // `run` does not wait for promises of callbacks
    expect(seen).toEqual([['one', 'two', 'three'], false]);
  });

  it('is called after a rollback, and an unknown outcome is neither a commit nor a rollback', async () => {
    const failing = transaction.run(async () => {
      register();
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    expect(called.splice(0)).toEqual(['onRolledBack', 'rolled back']);
    const commit = jest.spyOn(PostgresQueryRunner.prototype, 'commitTransaction');
    commit.mockImplementationOnce(() => Promise.reject(new Error('Connection terminated unexpectedly')));
    await expect(transaction.run(async () => register())).rejects.toThrow('Connection terminated');
    expect(called).toEqual(['unknown']);
  });

  it('belongs to one attempt of a transaction that is retried', async () => {
    let attempts = 0;
    await transaction.run(async () => {
      register();
      if (++attempts === 1) await inside(`DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$`);
    });
    expect(called).toEqual(['onRolledBack', 'rolled back', 'onCommitted', 'committed']);
  });

  it('belongs to the outer transaction when a nested run registers it', async () => {
    await transaction.run(async () => {
      await transaction.run(async () => register());
      expect(called).toEqual([]);
    });
    expect(called).toEqual(['onCommitted', 'committed']);
  });

  it('is called at once outside a transaction, as after a commit', () => {
    register();
    expect(called).toEqual(['onCommitted', 'committed']);
  });

  it('cannot make the transaction look failed: its failure is logged', async () => {
    const failures = ['at once', 'later'];
    await transaction.run(async () => {
      transaction.onCommitted(() => {
        throw new Error(failures[0]);
      });
      transaction.onCommitted(() => Promise.reject(new Error(failures[1])));
      register();
    });
    expect(called).toEqual(['onCommitted', 'committed']);
    expect(log.map((line) => (JSON.parse(line) as { err: { message: string } }).err.message)).toEqual(failures);
  });
});

describe('a nested run', () => {
  it('joins the outer transaction: one transaction, one connection, one end', async () => {
    await transaction.run(async () => {
      const [outer] = await inside('SELECT pg_current_xact_id() AS id, pg_backend_pid() AS pid');
      await transaction.run(async () => {
        take();
        expect(await inside('SELECT pg_current_xact_id() AS id, pg_backend_pid() AS pid')).toEqual([outer]);
      });
      expect(finish).not.toHaveBeenCalled();
    });
    expect(finish.mock.calls).toEqual([['committed']]);
  });

  it('is rolled back with the outer transaction', async () => {
    const failing = transaction.run(async () => {
      await transaction.run(() => inside(`DELETE FROM note WHERE id = 1`));
      throw new Error('outer');
    });
    await expect(failing).rejects.toThrow('outer');
    expect(await stored()).toEqual(['one', 'two']);
  });

  it('executes named statements in the outer transaction', async () => {
    const failing = transaction.run(async () => {
      await transaction.query({ name: 'rename', text: 'UPDATE note SET text = $1 WHERE id = 1', values: ['uno'] });
      expect(await transaction.query({ text: 'SELECT text FROM note WHERE id = 1' })).toEqual([{ text: 'uno' }]);
      throw new Error('back');
    });
    await expect(failing).rejects.toThrow('back');
    expect(await stored()).toEqual(['one', 'two']);
  });
});

/** A barrier where `count` runs wait for each other; later runs pass. */
function meetingOf(count: number): () => Promise<void> {
  const bell = new EventEmitter();
  const rung = once(bell, 'ring');
  let arrived = 0;
  return async () => {
    if (++arrived === count) bell.emit('ring');
    await rung;
  };
}

it('concurrent runs see only their own changes', async () => {
  const [written, read] = [meetingOf(2), meetingOf(2)];
  const change = (id: number) =>
    transaction.run(async () => {
      await inside(`UPDATE note SET text = text || '!' WHERE id = ${id}`);
      await written();
      const rows = await inside('SELECT text FROM note ORDER BY id');
      await read();
      return rows.map(({ text }) => text);
    });
  expect(await Promise.all([change(1), change(2)])).toEqual([
    ['one!', 'two'],
    ['one', 'two!'],
  ]);
});

describe('a transaction that the database asks to retry', () => {
  it('is retried after a serialization failure, and each attempt notifies its own participants', async () => {
    let attempts = 0;
    await transaction.run(async () => {
      const attempt = ++attempts;
      take();
      await inside('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ');
      const [row] = await inside('SELECT text FROM note WHERE id = 1');
      if (attempt === 1) await dataSource.query(`UPDATE note SET text = 'changed' WHERE id = 1`); // by another connection
      await inside(`UPDATE note SET text = '${String(row?.['text'])}!' WHERE id = 1`);
    });
    expect(attempts).toBe(2);
    expect(finish.mock.calls).toEqual([['rolled back'], ['committed']]);
    expect(await stored()).toEqual(['changed!', 'two']);
  });

  it('is retried after a deadlock', async () => {
    const meet = meetingOf(2);
    let attempts = 0;
    const append = async (first: number, second: number) => {
      attempts++;
      await inside(`SET LOCAL deadlock_timeout = '20ms'`);
      await inside(`UPDATE note SET text = text || '+' WHERE id = ${first}`);
      await meet();
      await inside(`UPDATE note SET text = text || '+' WHERE id = ${second}`);
    };
    await Promise.all([transaction.run(() => append(1, 2)), transaction.run(() => append(2, 1))]);
    expect(attempts).toBe(3);
    expect(await stored()).toEqual(['one++', 'two++']);
  });

  it.each([
    ['a serialization failure that stays', '40001', 3],
    ['a violated constraint', '23505', 1],
  ])('%s (%s) is attempted %i time(s), then thrown', async (_what, code, times) => {
    let attempts = 0;
    const failing = transaction.run(() => {
      attempts++;
      return inside(`DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '${code}'; END $$`);
    });
    expect(sqlStateOf(await failing.catch((error: unknown) => error))).toBe(code);
    expect(attempts).toBe(times);
  });
});

it('a broken connection is discarded, and the next run uses another one', async () => {
  const failing = transaction.run(() => inside('SELECT pg_terminate_backend(pg_backend_pid())'));
  await expect(failing).rejects.toMatchObject({ driverError: { code: '57P01' } });
  expect(await transaction.run(() => inside('SELECT 1 AS one'))).toEqual([{ one: 1 }]);
});
