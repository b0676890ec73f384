// A real PostgreSQL under DATA_DIR with exactly one owner: the server owns it, commands join it.
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { ensureCluster } from './embedded-postgres.cluster.js';
import { codeOf, EmbeddedPostgresError, findPlace, type Place } from './embedded-postgres.place.js';
import { findServer, isGuarded, type Server, startServer, stopServer } from './embedded-postgres.process.js';

export { EmbeddedPostgresError };

export interface EmbeddedPostgresOptions {
  dataDir: string;
  /** Password of the superuser `postgres`. The only access is scram-sha-256 over TCP on 127.0.0.1. */
  password: string;
  /** Created if it is missing. */
  database: string;
  /** False for temporary clusters of tests: no write is forced to disk. */
  durable?: boolean;
  log(line: string): void;
}

type Role = 'owner' | 'command';

/** Advisory locks in the database `postgres`; they cannot collide with those of the application's own database. */
const LOCK_CLASS = 7265;
const LOCKS: Record<Role, number> = { owner: 1, command: 2 };
const WAIT_MS = 60_000;
const POLL_MS = 50;

export class EmbeddedPostgres {
  readonly url: string;
  private stopped?: Promise<void>;

  private constructor(
    private readonly options: EmbeddedPostgresOptions,
    private readonly place: Place,
    private readonly server: Server,
    private readonly role: Role,
    private session: pg.Client,
  ) {
    const database = encodeURIComponent(options.database);
    this.url = `postgres://postgres:${encodeURIComponent(options.password)}@127.0.0.1:${server.port}/${database}`;
    this.watch();
  }

  /** Starts PostgreSQL, or takes over one that lost its owner, and owns this DATA_DIR until `stop`. */
  static own(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
    return EmbeddedPostgres.open(options, 'owner');
  }

  /** Uses the running PostgreSQL of this DATA_DIR, or starts one for the duration of a command. */
  static join(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
    return EmbeddedPostgres.open(options, 'command');
  }

  /** Stops PostgreSQL and waits for its end, if the caller owns or started it; a command that joined only disconnects. */
  stop(): Promise<void> {
    return (this.stopped ??= this.shutDown());
  }

  private static async open(options: EmbeddedPostgresOptions, role: Role): Promise<EmbeddedPostgres> {
    const { durable = true, password } = options;
    const log = (line: string) => options.log(line);
    const place = await findPlace(options.dataDir, log);
    await ensureCluster(place, { durable, log, password });
    let blocker: number | undefined;
    for (const began = performance.now(); performance.now() - began < WAIT_MS; await sleep(POLL_MS)) {
      const server = (await findServer(place, log)) ?? (await startServer(place, durable, log));
      const session = server && (await connect(server, password));
      if (!server || !session) continue;
      try {
        if (await enter(session, server, role, options.dataDir)) {
          await ensureDatabase(session, options.database);
          const how = server.guardian ? 'started' : role === 'owner' ? 'taken over' : 'joined';
          log(`PostgreSQL ${place.version}: ${how} on port ${server.port} in ${since(began)} ms`);
          return new EmbeddedPostgres(options, place, server, role, session);
        }
        const command = await findHolder(session, 'command');
        if (command && command !== blocker)
          log(`PostgreSQL ${place.version}: waiting for a command (pid ${command}) to end`);
        blocker = command;
        await close(session);
      } catch (error) {
        await close(session);
        if (server.guardian) await stopServer(place.cluster, server);
        if (!isLost(error)) throw error;
      }
    }
    const who = blocker ? `a Holdfast command (pid ${blocker})` : 'a PostgreSQL that does not answer';
    throw new EmbeddedPostgresError(
      `DATA_DIR ${options.dataDir} is still in use by ${who} after ${WAIT_MS / 1000} s. Wait until it is done and start again.`,
    );
  }

  private async shutDown(): Promise<void> {
    const began = performance.now();
    socketOf(this.session).ref();
    if (this.role === 'owner' || this.server.guardian) {
      if (this.role === 'command') await waitForSession(this.session);
      await stopServer(this.place.cluster, this.server); // this ends the session, which must keep the lock until then
      this.options.log(`PostgreSQL ${this.place.version}: stopped in ${since(began)} ms`);
    }
    await close(this.session);
  }

  /** The locks last as long as the session. When it breaks (one crashed backend restarts all), a new session replaces it. */
  private watch(): void {
    socketOf(this.session).unref();
    this.session.once('end', () => {
      this.returnToServer().catch((error: unknown) => this.options.log(String(error)));
    });
  }

  private async returnToServer(): Promise<void> {
    while (!this.stopped) {
      const server = await findServer(this.place, (line) => this.options.log(line));
      if (server?.pid !== this.server.pid) {
        const log = join(this.place.home, 'postgres.log');
        this.options.log(`PostgreSQL ${this.place.version}: ended without being asked to, see ${log}. Start again.`);
        return;
      }
      const session = await connect(server, this.options.password);
      if (session && !this.stopped && (await tryLock(session, this.role))) {
        this.session = session;
        this.watch();
        return;
      }
      if (session) await close(session);
      await sleep(POLL_MS);
    }
  }
}

/** Takes the lock of the role. Returns false when the server that runs now has to end first. */
async function enter(session: pg.Client, server: Server, role: Role, dataDir: string): Promise<boolean> {
  if (role === 'owner') {
    const owner = await findHolder(session, 'owner');
    if (owner) {
      throw new EmbeddedPostgresError(
        `DATA_DIR ${dataDir} is in use by another Holdfast process (pid ${owner}). Stop it, or start this one with another DATA_DIR.`,
      );
    }
    // A command's server ends with that command, and an owner that has just started its own is about to take the lock.
    if (!server.guardian && (await isGuarded(server.pid))) return false;
  }
  return tryLock(session, role);
}

/** Returns null when the server is not running (any longer). */
async function connect(server: Server, password: string): Promise<pg.Client | null> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port: server.port,
    user: 'postgres',
    password,
    database: 'postgres',
    ssl: false,
    application_name: `holdfast ${process.pid}`,
    connectionTimeoutMillis: 10_000,
  });
  client.on('error', () => undefined); // 'end' follows and triggers the reconnect
  try {
    await client.connect();
    return client;
  } catch (error) {
    if (codeOf(error) === '28P01') {
      throw new EmbeddedPostgresError(
        'The database under DATA_DIR was created with another password: restore the secrets that were stored beside it, or start with another DATA_DIR.',
      );
    }
    if (isLost(error)) return null;
    throw error;
  }
}

/** True when the server ended under the session (57P: it is starting or stopping); a new attempt solves that. */
function isLost(error: unknown): boolean {
  const description = error instanceof Error ? `${String(codeOf(error))} ${error.message}` : '';
  return /^(57P|ECONN|EPIPE|ETIMEDOUT|undefined (Connection terminated|Client has encountered|timeout expired))/.test(
    description,
  );
}

async function close(session: pg.Client): Promise<void> {
  await session.end().catch(() => undefined); // a broken session is already closed
}

function socketOf(session: pg.Client): Socket {
  return session.connection.stream as Socket;
}

/** The owner's lock is exclusive; all commands share theirs. */
async function tryLock(session: pg.Client, role: Role): Promise<boolean> {
  const lock = role === 'owner' ? 'pg_try_advisory_lock' : 'pg_try_advisory_lock_shared';
  const { rows } = await session.query<{ taken: boolean }>(`select ${lock}($1, $2) as taken`, [
    LOCK_CLASS,
    LOCKS[role],
  ]);
  return rows[0]?.taken === true;
}

/** Before a command stops the server it started: waits for the commands that joined it, and prevents new ones. */
async function waitForSession(session: pg.Client): Promise<void> {
  await session.query(`set lock_timeout = ${WAIT_MS}`);
  await session.query('select pg_advisory_lock($1, $2)', [LOCK_CLASS, LOCKS.command]).catch(() => undefined);
}

async function findHolder(session: pg.Client, role: Role): Promise<number | undefined> {
  const { rows } = await session.query<{ application_name: string }>(
    `select application_name from pg_locks join pg_stat_activity using (pid)
      where locktype = 'advisory' and granted and classid = $1 and objid = $2
        and pg_locks.database = (select oid from pg_database where datname = 'postgres')`,
    [LOCK_CLASS, LOCKS[role]],
  );
  const name = rows[0]?.application_name;
  return name === undefined ? undefined : Number(name.split(' ')[1]);
}

async function ensureDatabase(session: pg.Client, name: string): Promise<void> {
  const { rowCount } = await session.query('select from pg_database where datname = $1', [name]);
  if (rowCount) return;
  try {
    await session.query(`create database ${pg.escapeIdentifier(name)}`);
  } catch (error) {
    if (codeOf(error) !== '42P04' && codeOf(error) !== '23505') throw error; // a concurrent command created it
  }
}

function since(began: number): number {
  return Math.round(performance.now() - began);
}
