// Pipelined connections for the most frequent statements: each has many in flight, answered in order.
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { joinWrites } from '../libs/joined-writes.js';
import { sqlStateOf } from './sql-state.js';

/** feature_not_supported, with the message `cached plan must not change result type`. */
const STALE_PLAN = '0A000';
/** Two are enough: waiting statements are already sent to PostgreSQL, which runs them without another round trip. */
const CONNECTIONS = 2;
/** Place of the connection for transactions. */
const WRITER = CONNECTIONS;
/**
 * A process that freezes while it sends a transaction must not complete it later. Its last statement fails 7.5 s after the change
 * began (change-deadline.ts). The COMMIT comes at most this time after it, before the others treat the change as dead (15 s).
 */
const MAX_IDLE_MS = 2_000;

/**
 * Pipelining (pg's `pipeline`) sends a statement without waiting for the result of the one before. It saves taking a pool
 * connection, and most system calls under load. Use `query` only for single statements that take no locks and read few
 * rows, and `transaction` only for statements that wait for no lock: a slow one delays those behind it. A broken connection fails its statements and is replaced.
 */
@Injectable()
export class PipelinedConnections implements OnApplicationShutdown {
  private readonly clients: Array<Promise<pg.Client> | undefined> = [];
  private turn = 0;

  constructor(private readonly dataSource: DataSource) {}

  async query<R extends pg.QueryResultRow>(statement: pg.QueryConfig): Promise<R[]> {
    const index = this.turn++ % CONNECTIONS;
    const client = await (this.clients[index] ?? this.open(index));
    joinWrites(client.connection.stream);
    try {
      return (await client.query<R>(statement)).rows;
    } catch (error) {
      if (sqlStateOf(error) !== STALE_PLAN) throw error;
      this.replace(index, client);
      return (await (await this.open(index)).query<R>(statement)).rows;
    }
  }

  /**
   * Runs statements in one transaction, all sent at once, and resolves to the rows of each. Null: PostgreSQL has refused one of them, so
   * nothing is written. Rejects when the answer to the COMMIT is an error or missing.
   */
  async transaction(statements: readonly pg.QueryConfig[]): Promise<pg.QueryResultRow[][] | null> {
    const client = await (this.clients[WRITER] ??
      this.open(WRITER, { idle_in_transaction_session_timeout: MAX_IDLE_MS }));
    const commands = [{ text: 'BEGIN' }, ...statements, { text: 'COMMIT' }];
    const { stream } = client.connection;
    stream.cork(); // one packet for all
    const sent = commands.map((one) => client.query(one));
    stream.uncork();
    const settled = await Promise.allSettled(sent);
    const failed = settled.find((one) => one.status === 'rejected');
    if (sqlStateOf(failed?.reason) === STALE_PLAN) this.replace(WRITER, client);
    const commit = settled.at(-1);
    if (commit?.status === 'rejected') throw commit.reason as Error;
    if (failed) return null; // the COMMIT has rolled back
    const answers = settled.map(
      (one) => (one as PromiseFulfilledResult<pg.QueryResult>).value.rows as pg.QueryResultRow[],
    );
    return answers.slice(1, -1);
  }

  async onApplicationShutdown(): Promise<void> {
    // a broken one is closed already
    for (const opened of this.clients) await opened?.then((client) => client.end()).catch(() => undefined);
  }

  /** A type behind a statement was replaced: only a new connection drops the plan. */
  private replace(index: number, client: pg.Client): void {
    this.clients[index] = undefined;
    void client.end();
  }

  private open(index: number, options: pg.ClientConfig = {}): Promise<pg.Client> {
    const name = index === WRITER ? 'holdfast write' : 'holdfast read';
    const client = new pg.Client({ ...this.poolOptions(), ...options, application_name: name, pipeline: true });
    const opened = client.connect().then(() => client);
    const forget = (): void => {
      if (this.clients[index] === opened) this.clients[index] = undefined;
    };
    client.on('error', forget).on('end', forget);
    opened.catch(forget);
    return (this.clients[index] = opened);
  }

  /** Returns the server, time limits and TLS settings of the pool's connections. */
  private poolOptions(): pg.ClientConfig {
    const { options } = (this.dataSource.driver as unknown as { master: pg.Pool }).master;
    return { ...options, connectionTimeoutMillis: 2_000 };
  }
}
