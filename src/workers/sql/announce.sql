-- Due jobs that the broker must be told of: new ones, and those whose wake-up has been out for $2 ms without a claim. The
-- next telling is set before the telling: if it fails, or its message is lost, it comes again.
-- $1 how many, $2 ms until the next telling, $3 queues that are not told again now
WITH due AS (
  SELECT id FROM jobs
  WHERE announce_at <= now() AND status IN ('QUEUED', 'RETRYING') AND (announce_at <= run_at OR queue <> ALL ($3))
  ORDER BY announce_at LIMIT $1 FOR UPDATE SKIP LOCKED
)
UPDATE jobs SET announce_at = now() + $2::integer * interval '1 ms' FROM due WHERE jobs.id = due.id
RETURNING jobs.id, jobs.uuid, jobs.queue
