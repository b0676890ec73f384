-- Due jobs that the broker was not told of yet, the longest waiting first. The telling is written down before it is done:
-- what gets lost on the way, or with the teller, is found by announce-again.sql. Told ones leave the range that is looked
-- through here, so a deep backlog costs nothing.
-- A row's times are rounded to milliseconds, up as well: without the one more, half of what is new would wait for the
-- next look.
-- $1 queues, $2 how many, $3 ms until they are told of in any case
WITH due AS (
  SELECT id FROM jobs
  WHERE announce_at <= now() + interval '1 ms' AND status IN ('QUEUED', 'RETRYING') AND queue = ANY ($1)
  ORDER BY announce_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE jobs SET announce_at = now() + $3::integer * interval '1 ms' FROM due WHERE jobs.id = due.id
RETURNING jobs.id, jobs.uuid, jobs.queue
