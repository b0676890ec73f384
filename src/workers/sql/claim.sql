-- Takes due jobs of a queue: the most urgent first, of equals the longest due. With $5 those that wait for over 30 s, the
-- least urgent first, so that a queue that is never empty of urgent ones starves nobody.
-- Who ran when two workers died is left out, see claim-suspect.sql; after ten minutes it runs in company all the same.
-- $1 queue, $2 how many, $3 worker, $4 lease in ms, $5 the starving
-- One probe of the index for each priority, rows that are not due are never looked at.
WITH due AS (
  SELECT waiting.id
  FROM generate_series(CASE WHEN $5::boolean THEN 1 ELSE 5 END, CASE WHEN $5 THEN 5 ELSE 1 END, CASE WHEN $5 THEN 1 ELSE -1 END) AS urgency
  CROSS JOIN LATERAL (
    SELECT id FROM jobs
    WHERE queue = $1 AND priority = urgency AND status IN ('QUEUED', 'RETRYING')
      AND run_at <= now() - CASE WHEN $5 THEN interval '30 s' ELSE interval '0' END
      AND (crashes < 2 OR run_at < now() - interval '10 min')
    ORDER BY run_at, id LIMIT $2 FOR UPDATE SKIP LOCKED
  ) AS waiting
  LIMIT $2
)
UPDATE jobs SET status = 'RUNNING', attempt = attempt + 1, worker = $3, alone = false, progress = 0,
  lease_until = now() + $4::integer * interval '1 ms', version = version + 1, updated_at = now()
FROM due WHERE jobs.id = due.id
RETURNING jobs.id, jobs.uuid, jobs.type, jobs.queue, jobs.payload, jobs.attempt, jobs.owner_id, jobs.owner_uuid, jobs.request_id
