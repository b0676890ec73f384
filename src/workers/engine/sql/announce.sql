-- Marks due jobs that are not announced yet as announced, the longest waiting first. The mark is written before the
-- publish: if the message or the process is lost, announce-again.sql finds the job. Announced jobs leave the index range
-- that is scanned here, so a large backlog costs nothing.
-- PostgreSQL rounds stored times to ms, so one may lie slightly in the future: hence the extra millisecond.
-- $1 queues, $2 maximum number, $3 ms until a job is re-announced, even if its message may still wait
WITH due AS (
  SELECT id FROM jobs
  WHERE announce_at <= now() + interval '1 ms' AND status IN ('QUEUED', 'RETRYING') AND queue = ANY ($1)
  ORDER BY announce_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE jobs SET announce_at = now() + $3::integer * interval '1 ms' FROM due WHERE jobs.id = due.id
RETURNING jobs.id, jobs.uuid, jobs.queue
