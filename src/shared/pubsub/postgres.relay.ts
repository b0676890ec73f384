// The relay over PostgreSQL's LISTEN and NOTIFY: available whenever a change can be committed.
import type { Socket } from 'node:net';
import pg from 'pg';
import type { DataSource } from 'typeorm';
import type { PipelinedConnections } from '../database/pipelined-connections.js';
import { EventRelay, type Subscription } from './relay.js';

const END_MS = 500;

/**
 * Uses its own connection, because LISTEN belongs to one. PostgreSQL delivers notifications in the order of their commits.
 * Does not work through a pooler in transaction mode (PgBouncer): DATABASE_URL must point to the server itself.
 */
export class PostgresRelay extends EventRelay {
  private client: pg.Client | undefined;

  /**
   * `pipelined`: not connections of the pool, which may all be held by callers that wait for this relay. `channel`: a plain SQL name,
   * the same for all processes on this database. `listening`: called each time the connection is established.
   */
  constructor(
    private readonly dataSource: DataSource,
    private readonly pipelined: PipelinedConnections,
    private readonly channel = 'holdfast',
    private readonly listening: () => void = () => undefined,
  ) {
    super();
  }

  /** Uses another connection while our own reconnects, so that a process that can commit can also publish. */
  async publish(text: string): Promise<void> {
    const notify = { name: 'notify', text: 'SELECT pg_notify($1, $2)', values: [this.channel, text] };
    const isNotified = await this.client?.query(notify).catch(() => undefined);
    if (!isNotified) await this.pipelined.query(notify);
  }

  protected async subscribe(deliver: (text: string) => void, ended: () => void): Promise<Subscription> {
    const client = new pg.Client({
      ...(this.dataSource.driver as unknown as { master: pg.Pool }).master.options,
      application_name: 'holdfast relay',
      connectionTimeoutMillis: 2_000,
      pipeline: true, // publishes do not wait for each other
    });
    client.on('error', () => undefined); // `end` follows
    client.on('notification', ({ payload }) => deliver(payload ?? ''));
    client.on('end', () => {
      if (this.client === client) this.client = undefined;
      ended();
    });
    await client.connect();
    await client.query(`LISTEN ${this.channel}`);
    this.client = client;
    this.listening();
    return { end: () => endClient(client) };
  }
}

/** Ends the connection cleanly, or destroys the socket when the server does not answer. */
function endClient(client: pg.Client): void {
  const { stream } = (client as unknown as { connection: { stream: Socket } }).connection;
  const timer = setTimeout(() => stream.destroy(), END_MS).unref();
  void client
    .end()
    .catch(() => undefined)
    .finally(() => clearTimeout(timer));
}
