// A PostgreSQL of the torture itself, with durable writes, which can be crashed and restarted on the same port.
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { ensureCluster } from '../../dist/src/shared/database/embedded-postgres.cluster.js';
import { findPlace, SERVER_ENVIRONMENT } from '../../dist/src/shared/database/embedded-postgres.place.js';
import { freePort, makeFolder, removeFolder, start } from './servers.mjs';

const START_MS = 60_000;
const password = 'torture';

export class OwnPostgres {
  #dir = makeFolder('postgres');

  /** Starts it from the embedded binaries, even if PostgreSQL is installed. */
  async start() {
    this.place = await findPlace(this.#dir, () => undefined);
    await ensureCluster(this.place, { durable: true, log: () => undefined, password });
    this.port = await freePort();
    await this.rise();
    await this.#query('postgres', 'CREATE DATABASE torture');
    return this;
  }

  get url() {
    return `postgres://postgres:${password}@127.0.0.1:${this.port}/torture`;
  }

  /** Crashes it. 'SIGKILL' ends only the postmaster, its children notice; 'SIGQUIT' is like `pg_ctl stop -m immediate`. */
  async crash(signal) {
    this.child.kill(signal);
    await this.child.ended;
  }

  /** Restarts and recovers it. Children of the crashed server may block the start for a moment. */
  async rise() {
    for (const began = performance.now(); !(await this.#isUp()); await delay(50)) {
      if (this.child === undefined || this.child.exitCode !== null || this.child.signalCode !== null) this.#launch();
      if (performance.now() - began > START_MS) throw new Error(`PostgreSQL is not back: ${this.output}`);
    }
  }

  async drop() {
    this.child?.kill('SIGINT');
    await this.child?.ended;
    for (const folder of [this.#dir, this.place?.home]) if (folder) removeFolder(folder);
  }

  #launch() {
    const settings = {
      port: this.port,
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      max_connections: 200,
      shared_buffers: '64MB',
      track_commit_timestamp: 'on', // records the commit time of each row
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const { user, bin, cluster } = this.place;
    this.output = '';
    this.child = start(join(bin, 'postgres'), ['-D', cluster, ...flags], {
      ...user,
      cwd: '/',
      env: SERVER_ENVIRONMENT,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.child.stderr.setEncoding('utf8').on('data', (text) => (this.output = (this.output + text).slice(-5_000)));
  }

  #isUp() {
    return this.#query('postgres', 'SELECT 1').then(
      () => true,
      () => false,
    );
  }

  async #query(database, sql) {
    const url = new URL(this.url);
    url.pathname = database;
    const client = new pg.Client({ connectionString: url.href, connectionTimeoutMillis: 2_000 });
    client.on('error', () => undefined);
    await client.connect();
    await client.query(sql).finally(() => client.end());
  }
}
