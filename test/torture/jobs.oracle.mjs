// Compares the database at the end with the acknowledged jobs: lost, duplicate, stuck, or dead without a cause.

/** Loads the log: `expected` maps keys to their number of effects, `acks` are all acknowledged jobs. */
export async function load(environment, expected, acks) {
  for (const part of chunks([...expected], 10_000))
    await environment.sql('INSERT INTO torture_expected SELECT * FROM unnest($1::text[], $2::int[])', [
      part.map(([key]) => key),
      part.map(([, effects]) => effects),
    ]);
  for (const part of chunks(acks, 10_000))
    await environment.sql('INSERT INTO torture_acks (key, job) SELECT * FROM unnest($1::text[], $2::uuid[])', [
      part.map(({ key }) => key),
      part.map(({ id }) => id),
    ]);
}

/** Returns the number of each kind of violation. `dead`: expected number of dead letters. */
export async function judge(environment, { dead = 0 } = {}) {
  const found = {
    lost: await environment.sql(`SELECT x.key FROM torture_expected x LEFT JOIN torture_effects e USING (key)
      GROUP BY x.key, x.effects HAVING count(e.key) < x.effects`),
    doubled: await environment.sql(`SELECT e.key FROM torture_effects e LEFT JOIN torture_expected x USING (key)
      GROUP BY e.key, x.effects HAVING count(*) > coalesce(x.effects, 0)`),
    missing: await environment.sql(`SELECT a.key FROM torture_acks a LEFT JOIN jobs j ON j.uuid = a.job
      WHERE a.job IS NOT NULL AND j.payload ->> 'key' IS DISTINCT FROM a.key`),
    // The effect must be from the attempt that completed the job.
    strange: await environment.sql(`SELECT e.key FROM torture_effects e WHERE NOT EXISTS (
      SELECT FROM jobs j WHERE j.payload ->> 'key' = e.key AND j.attempt = e.attempt AND j.status = 'SUCCEEDED')`),
    stuck: await environment.sql(`SELECT uuid, status, attempt, run_at, lease_until FROM jobs
      WHERE status IN ('QUEUED', 'RETRYING', 'RUNNING') OR lease_until IS NOT NULL`),
    open: await environment.sql(`SELECT pid, query FROM pg_stat_activity
      WHERE datname = current_database() AND xact_start < now() - interval '10 s'`),
    dead: await environment.sql(`SELECT payload ->> 'key' AS key, attempt, reason FROM jobs WHERE status = 'FAILED'`),
  };
  for (const [what, rows] of Object.entries(found))
    if (rows.length > 0 && what !== 'dead') environment.violate(`${what}: ${rows.length}, as ${sample(rows)}`);
  if (found.dead.length !== dead)
    environment.violate(`dead letters: ${found.dead.length}, not ${dead}: ${sample(found.dead)}`);
  return Object.fromEntries(Object.entries(found).map(([what, rows]) => [what, rows.length]));
}

/** Times from the death of a worker to the next claim of its jobs, in ms. */
export async function reclaims(environment) {
  return summary(
    environment,
    `SELECT c.at - v.at AS took FROM torture_victims v JOIN torture_claims c ON c.job = v.job AND c.attempt = v.attempt + 1`,
  );
}

/** Times from the due time of a job to its claim, in ms: without a fault, and up to 10 s after one. */
export async function latenesses(environment) {
  const claims = (not) => `SELECT at - due AS took FROM torture_claims c
    WHERE ${not} EXISTS (SELECT FROM torture_outages WHERE c.due BETWEEN since AND till + interval '10 s')`;
  return { steady: await summary(environment, claims('NOT')), broken: await summary(environment, claims('')) };
}

/** Returns the percentiles of `claims`, a query of intervals. */
export async function summary(environment, claims) {
  const [times] =
    await environment.sql(`SELECT count(*)::int, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY ms)) AS p50,
      round(percentile_cont(0.99) WITHIN GROUP (ORDER BY ms)) AS p99, round(max(ms)) AS max
    FROM (SELECT extract(epoch FROM took)::float8 * 1000 AS ms FROM (${claims}) AS claims) AS times`);
  return times;
}

export function percentiles(list) {
  const sorted = list.toSorted((a, b) => a - b);
  const at = (share) => sorted[Math.ceil(share * sorted.length) - 1];
  return { count: list.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}

function sample(rows) {
  return JSON.stringify(rows.slice(0, 3));
}

function chunks(list, size) {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, at) => list.slice(at * size, (at + 1) * size));
}
