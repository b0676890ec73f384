// Connections for the hottest reads: many statements in flight on each, answered in order.
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { sqlStateOf } from './sql-state.js';

/** feature_not_supported, said as `cached plan must not change result type`. */
const STALE_PLAN = '0A000';
/** Two suffice: what waits on a lane is already written to PostgreSQL, which works on it without another round trip. */
const LANES = 2;

/**
 * Pipelining (pg's `pipeline`): a statement is sent without waiting for the answer of the one before it, which spares
 * taking a connection from the pool and most system calls under load. Only for statements that stand alone, take no
 * locks and read few rows: whatever is slow delays those behind it. A broken lane fails what is on it and is made anew.
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
      this.lanes[lane] = undefined; // a type behind the statement was replaced: only a new connection forgets it
      void client.end();
      return (await (await this.open(lane)).query<R>(statement)).rows;
    }
  }

  async onApplicationShutdown(): Promise<void> {
    for (const lane of this.lanes) await lane?.then((client) => client.end()).catch(() => undefined); // broken is closed
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

  /** The same server, time limits and TLS as the pool's connections. */
  private poolOptions(): pg.ClientConfig {
    const { options } = (this.dataSource.driver as unknown as { master: pg.Pool }).master;
    return { ...options, connectionTimeoutMillis: 2_000 };
  }
}
