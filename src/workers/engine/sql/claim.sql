-- Claims due jobs of a queue: the most urgent first, then by turn. With $5, claims jobs whose turn was over 30 s ago, the
-- least urgent first, so that a constant load of urgent jobs starves no other job.
-- Skips jobs of an owner who has $6 running already (two processes that claim at the same time may exceed that by the jobs
-- that each of them claims), or $7 in this queue and process: so one owner cannot take all slots of a process.
-- Skips suspects (crashes >= 2), which claim-suspect.sql claims. A suspect that has waited ten minutes, because no process was
-- free to run it alone, may run beside other jobs again.
-- $1 queue, $2 maximum number, $3 worker, $4 lease in ms, $5 claim the starving jobs, $6 maximum of running jobs per owner,
-- $7 the same for this queue and worker
-- Costs one index probe per priority. Rows that are not due have no turn and are never read.
WITH busy AS MATERIALIZED (
  SELECT owner_id, count(*) AS jobs, count(*) FILTER (WHERE queue = $1 AND worker = $3) AS here
  FROM jobs WHERE status = 'RUNNING' AND owner_id IS NOT NULL GROUP BY owner_id
), line AS (
  SELECT waiting.*
  FROM generate_series(CASE WHEN $5::boolean THEN 1 ELSE 5 END, CASE WHEN $5 THEN 5 ELSE 1 END, CASE WHEN $5 THEN 1 ELSE -1 END) AS urgency
  CROSS JOIN LATERAL (
    SELECT id, owner_id, priority, turn FROM jobs
    WHERE queue = $1 AND priority = urgency AND status IN ('QUEUED', 'RETRYING')
      AND turn <= CASE WHEN $5 THEN now() - interval '30 s' ELSE 'infinity' END
      AND (crashes < 2 OR run_at < now() - interval '10 min')
      AND (owner_id IS NULL OR owner_id NOT IN (SELECT busy.owner_id FROM busy WHERE busy.jobs >= $6::integer OR busy.here >= $7::integer))
    ORDER BY turn, id LIMIT $2 FOR UPDATE SKIP LOCKED
  ) AS waiting
  LIMIT $2
), due AS (
  SELECT id FROM (
    SELECT id, owner_id, coalesce(busy.jobs, 0) AS jobs, coalesce(busy.here, 0) AS here,
      row_number() OVER (PARTITION BY owner_id ORDER BY priority DESC, turn, id) AS place
    FROM line LEFT JOIN busy USING (owner_id)
  ) AS counted
  WHERE owner_id IS NULL OR (jobs + place <= $6 AND here + place <= $7)
)
UPDATE jobs SET status = 'RUNNING', attempt = attempt + 1, worker = $3, alone = false, progress = 0,
  lease_until = now() + $4::integer * interval '1 ms', version = version + 1, updated_at = now()
FROM due WHERE jobs.id = due.id
RETURNING jobs.id, jobs.uuid, jobs.type, jobs.queue, jobs.payload, jobs.attempt, jobs.owner_id, jobs.owner_uuid, jobs.request_id,
  (SELECT count(*) FROM line) > (SELECT count(*) FROM due) AS held_back
