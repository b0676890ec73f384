// Faults of the workers: kills and freezes while they have work; those of an idle worker are counted separately.
import { setTimeout as delay } from 'node:timers/promises';
import { until } from './servers.mjs';

/** Time in which others must take over the jobs of a zombie: its lease, and a margin for a busy machine. */
const TAKEN_MS = 30_000;

export class Nemesis {
  counts = { kills: 0, idleKills: 0, freezes: 0, idleFreezes: 0 };
  #environment;
  #random;
  #thaws = [];

  constructor(environment, random) {
    this.#environment = environment;
    this.#random = random;
  }

  /** The number of deaths that this class caused. */
  get deaths() {
    return this.counts.kills + this.counts.idleKills;
  }

  /** Kills a worker with work; its jobs stay RUNNING until the lease ends. `idle` is called while no worker has any. */
  async kill(idle) {
    for (;;) {
      const name = await this.#busy(idle);
      const [{ at }] = await this.#environment.sql('SELECT clock_timestamp() AS at');
      await this.#environment.workerPool.kill(name);
      const victims = await this.#environment.sql(
        `INSERT INTO torture_victims SELECT uuid, attempt, $2 FROM jobs WHERE status = 'RUNNING' AND worker = $1 RETURNING job`,
        [name, at],
      );
      this.counts[victims.length > 0 ? 'kills' : 'idleKills']++;
      if (victims.length > 0) return;
    }
  }

  /** Freezes a worker with a job that ignores its signal, and resumes it when another worker has some of its jobs. */
  async freeze(idle) {
    for (;;) {
      const name = await this.#busy(idle);
      const thaw = this.#environment.workerPool.freeze(name);
      const ran = await this.#environment.sql(
        `SELECT uuid, attempt, payload ->> 'kind' = 'deaf' AS deaf FROM jobs WHERE status = 'RUNNING' AND worker = $1`,
        [name],
      );
      const willWrite = ran.some(({ deaf }) => deaf);
      this.counts[willWrite ? 'freezes' : 'idleFreezes']++;
      if (willWrite) return this.#thawLater(this.#taken(ran).finally(thaw));
      thaw();
    }
  }

  /** Keeps the promise for `thawed`, which reports its failure. */
  #thawLater(thawed) {
    thawed.catch(() => undefined);
    this.#thaws.push(thawed);
  }

  /** Resolves when no worker is frozen. Rejects when no other worker took over the jobs of a zombie. */
  async thawed() {
    await Promise.all(this.#thaws);
  }

  async #busy(idle) {
    const { workerPool } = this.#environment;
    for (;;) {
      await workerPool.waitFor(Math.floor(workerPool.size / 2) + 1);
      const rows = await this.#environment.sql(
        `SELECT DISTINCT worker FROM jobs WHERE status = 'RUNNING' AND lease_until > now() ORDER BY worker`,
      );
      const names = rows.map(({ worker }) => worker).filter((name) => workerPool.working.has(name));
      if (names.length > 0) return names[Math.floor(this.#random() * names.length)];
      idle();
      await delay(5);
    }
  }

  /** A job may also have ended meanwhile, cancelled or by a statement in transit. If all have, the worker is no zombie. */
  async #taken(attempts) {
    const mine = 'JOIN unnest($1::uuid[], $2::int[]) AS mine (job, attempt) ON';
    const values = [attempts.map(({ uuid }) => uuid), attempts.map(({ attempt }) => attempt)];
    const ours = `SELECT FROM jobs ${mine} uuid = mine.job AND jobs.attempt = mine.attempt WHERE status = 'RUNNING' LIMIT 1`;
    const others = `SELECT FROM torture_claims c ${mine} c.job = mine.job AND c.attempt > mine.attempt LIMIT 1`;
    const has = async (sql) => (await this.#environment.sql(sql, values)).length > 0;
    await until(async () => (await has(others)) || !(await has(ours)), 'a zombie to lose its jobs', TAKEN_MS);
    await delay(500); // jobs that were released a moment ago are claimed in this time
    if (await has(others)) return;
    this.counts.freezes--;
    this.counts.idleFreezes++;
  }
}
