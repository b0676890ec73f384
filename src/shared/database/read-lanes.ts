// Pipelined connections for the most frequent reads: each has many statements in flight, answered in order.
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { sqlStateOf } from './sql-state.js';

/** feature_not_supported, with the message `cached plan must not change result type`. */
const STALE_PLAN = '0A000';
/** Two are enough: waiting statements are already sent to PostgreSQL, which runs them without another round trip. */
const LANES = 2;

/**
 * Pipelining (pg's `pipeline`) sends a statement without waiting for the result of the one before. It saves taking a pool
 * connection, and most system calls under load. Use it only for single statements that take no locks and read few rows: a
 * slow statement delays those behind it. A broken lane fails its statements and is replaced.
 */
@Injectable()
export class ReadLanes implements OnApplicationShutdown {
  private readonly lanes: Array<Promise<pg.Client> | undefined> = [];
  private turn = 0;

  constructor(private readonly dataSource: DataSource) {}

  async query<R extends pg.QueryResultRow>(statement: pg.QueryConfig): Promise<R[]> {
    const lane = this.turn++ % LANES;
    const client = await (this.lanes[lane] ?? this.open(lane));
    try {
      return (await client.query<R>(statement)).rows;
    } catch (error) {
      if (sqlStateOf(error) !== STALE_PLAN) throw error;
      this.lanes[lane] = undefined; // a type behind the statement was replaced: only a new connection drops the plan
      void client.end();
      return (await (await this.open(lane)).query<R>(statement)).rows;
    }
  }

  async onApplicationShutdown(): Promise<void> {
    for (const lane of this.lanes) await lane?.then((client) => client.end()).catch(() => undefined); // a broken lane is closed
  }

  private open(lane: number): Promise<pg.Client> {
    const client = new pg.Client({ ...this.poolOptions(), application_name: 'holdfast read', pipeline: true });
    const opened = client.connect().then(() => client);
    const forget = (): void => {
      if (this.lanes[lane] === opened) this.lanes[lane] = undefined;
    };
    client.on('error', forget).on('end', forget);
    opened.catch(forget);
    return (this.lanes[lane] = opened);
  }

  /** Returns the server, time limits and TLS settings of the pool's connections. */
  private poolOptions(): pg.ClientConfig {
    const { options } = (this.dataSource.driver as unknown as { master: pg.Pool }).master;
    return { ...options, connectionTimeoutMillis: 2_000 };
  }
}
