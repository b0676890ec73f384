-- Re-announces due jobs whose last announcement is $3 ms old, and due jobs that were never announced because they were
-- enqueued without a broker. Skips the jobs that claim.sql skips.
-- $1 queues without a waiting wake-up, $2 maximum number, $3 ms, $4 ms until a job is re-announced, even if its message may
-- still wait
WITH due AS (
  SELECT unannounced.id
  FROM unnest($1::varchar[]) AS q (queue) CROSS JOIN generate_series(1, 5) AS urgency
  CROSS JOIN LATERAL (
    SELECT id FROM jobs
    WHERE jobs.queue = q.queue AND priority = urgency AND status IN ('QUEUED', 'RETRYING')
      AND turn <= now() - $3::integer * interval '1 ms' AND (crashes < 2 OR run_at < now() - interval '10 min')
      AND (announce_at IS NULL OR announce_at <= now() + ($4::integer - $3) * interval '1 ms')
    ORDER BY turn, id LIMIT $2 FOR UPDATE SKIP LOCKED
  ) AS unannounced
  LIMIT $2
)
UPDATE jobs SET announce_at = now() + $4 * interval '1 ms' FROM due WHERE jobs.id = due.id
RETURNING jobs.id, jobs.uuid, jobs.queue
