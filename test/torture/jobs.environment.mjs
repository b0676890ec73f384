// The environment of the job tortures: a migrated database, the log of acknowledged jobs, an enqueueing process, workers.
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { loadConfig } from '../../dist/src/shared/config/app-config.js';
import { migrate } from '../../dist/src/shared/database/migrate.js';
import { WorkerPool } from './jobs.worker-pool.mjs';
import { openApplication } from './jobs.application.mjs';
import { createDatabase, makeFolder, OwnRabbit, removeFolder, until } from './servers.mjs';

export const LEASE_MS = 2_000;
/** Maximum time without progress while jobs are left. */
const MAX_WAIT_MS = 60_000;
const secret = 'a secret of more than 32 characters';

/** The database itself fills `torture_claims`: the worker, the time of the claim, and the due time. */
const TABLES = `
  CREATE TABLE torture_effects (key text NOT NULL, attempt integer NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
  CREATE TABLE torture_claims (job uuid NOT NULL, attempt integer NOT NULL, worker uuid, due timestamptz NOT NULL, at timestamptz NOT NULL);
  CREATE INDEX ON torture_claims (job, attempt);
  CREATE TABLE torture_victims (job uuid NOT NULL, attempt integer NOT NULL, at timestamptz NOT NULL);
  CREATE TABLE torture_outages (since timestamptz NOT NULL, till timestamptz NOT NULL);
  CREATE TABLE torture_acks (key text NOT NULL, job uuid);
  CREATE TABLE torture_expected (key text PRIMARY KEY, effects integer NOT NULL);
  CREATE FUNCTION torture_note_claim() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO torture_claims VALUES (NEW.uuid, NEW.attempt, NEW.worker, OLD.run_at, clock_timestamp());
    RETURN NULL;
  END $$;
  CREATE TRIGGER torture_note_claim AFTER UPDATE OF attempt ON jobs FOR EACH ROW
    WHEN (NEW.attempt > OLD.attempt) EXECUTE FUNCTION torture_note_claim()`;

export class Environment {
  violations = [];
  began = performance.now();
  #folder = makeFolder('jobs');
  #log = openSync(join(this.#folder, 'acknowledged'), 'a');

  /**
   * `driver`: postgres or rabbitmq (which starts its own broker). `env`: of all processes. `database`: one with `url` and
   * `drop()`, else a new one in the PostgreSQL of the machine. `imports`: modules to load first, which a red twin needs.
   */
  async open({ driver, database, env = {}, imports = [], processes = 4, unprotected = false }) {
    if (!['postgres', 'rabbitmq'].includes(driver)) throw new Error(`There is no driver ${driver}`);
    this.database = database ?? (await createDatabase());
    if (driver === 'rabbitmq') this.rabbit = await (await new OwnRabbit().start()).ready();
    this.deathsFile = join(this.#folder, 'deaths');
    this.env = {
      PATH: process.env.PATH,
      DATABASE_POOL_SIZE: '6', // five processes share the 100 connections of a default PostgreSQL
      NODE_ENV: 'test',
      LOG_LEVEL: 'error',
      LOG_FORMAT: 'json',
      DATA_DIR: this.#folder,
      DATABASE_URL: this.database.url,
      JOB_LEASE: String(LEASE_MS),
      JWT_SECRET: secret,
      SESSION_SECRET: secret,
      COOKIE_SECRET: secret,
      TORTURE_DEATHS: this.deathsFile,
      ...(this.rabbit && { RABBITMQ_URL: this.rabbit.url }),
      ...(unprotected && { TORTURE_UNPROTECTED: '1' }),
      ...env,
    };
    await migrate(loadConfig(this.env), this.database.url);
    await this.sql(TABLES);
    for (const path of imports) await import(path);
    this.application = await openApplication({ ...this.env, APP_ROLE: 'api' }, (line) => process.stderr.write(line));
    this.workerPool = new WorkerPool({ ...this.env, APP_ROLE: 'worker' }, processes, imports);
    await this.workerPool.start();
    return this;
  }

  get(token) {
    return this.application.get(token);
  }

  /** Runs one statement of the torture itself. */
  async sql(text, values) {
    this.pool ??= new pg.Pool({ connectionString: this.database.url, max: 4, application_name: 'torture' }).on(
      'error',
      () => undefined, // crashes of PostgreSQL are intended
    );
    return (await this.pool.query(text, values)).rows;
  }

  /** Writes lines to the log; they are on disk when it returns. */
  acknowledge(lines) {
    writeSync(this.#log, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    fsyncSync(this.#log);
  }

  acknowledged() {
    const text = readFileSync(join(this.#folder, 'acknowledged'), 'utf8');
    return text.split('\n').filter(Boolean).map(JSON.parse);
  }

  violate(text) {
    this.violations.push(text);
  }

  async unfinished() {
    const waiting = `SELECT count(*)::int AS n FROM jobs WHERE status IN ('QUEUED', 'RETRYING', 'RUNNING')`;
    return (await this.sql(waiting))[0].n;
  }

  /** Waits until all jobs are done, or until there is no progress. */
  async quiesce() {
    let last = -1;
    let since = performance.now();
    await until(
      async () => {
        const [{ n, signs }] = await this
          .sql(`SELECT count(*) FILTER (WHERE status IN ('QUEUED', 'RETRYING', 'RUNNING'))::int AS n,
          sum(version)::int AS signs FROM jobs`);
        if (signs !== last) since = performance.now();
        last = signs;
        return n === 0 || performance.now() - since > MAX_WAIT_MS;
      },
      'the jobs to come to an end',
      30 * MAX_WAIT_MS,
    );
  }

  async close() {
    await this.workerPool?.stop().catch((error) => this.violate(error.message));
    await this.application?.close();
    await this.pool?.end();
    await this.database?.drop();
    await this.rabbit?.remove();
    closeSync(this.#log);
    if (this.violations.length > 0) process.stderr.write(this.workerPool?.output ?? '');
    removeFolder(this.#folder);
  }

  /** Prints the result line, and returns the exit code. */
  verdict(line) {
    const durationS = Math.round((performance.now() - this.began) / 100) / 10;
    console.log(JSON.stringify({ ...line, violations: this.violations.slice(0, 20), durationS }));
    return this.violations.length === 0 ? 0 : 1;
  }
}
