-- Puts due jobs (delayed, retried and replayed ones) into the line of their queue. Each gets its turn: its due time, or
-- one hour after the last waiting turn of the same owner, whichever is later, as in enqueue.sql.
-- $1 queues, $2 maximum number per queue
WITH due_jobs AS (
  SELECT waiting.* FROM unnest($1::varchar[]) AS q (queue)
  CROSS JOIN LATERAL (
    SELECT id, queue, priority, owner_id, run_at FROM jobs
    WHERE jobs.queue = q.queue AND turn IS NULL AND status IN ('QUEUED', 'RETRYING') AND run_at <= now()
    ORDER BY run_at LIMIT $2 FOR UPDATE SKIP LOCKED
  ) AS waiting
), placed AS (
  SELECT due_jobs.id,
    CASE WHEN owner_id IS NULL THEN run_at
      ELSE greatest(run_at, last.turn + interval '1 hour') + interval '1 hour' *
        (row_number() OVER (PARTITION BY owner_id, queue, priority ORDER BY run_at, due_jobs.id) - 1) END AS turn
  FROM due_jobs LEFT JOIN LATERAL (
    SELECT max(turn) AS turn FROM jobs
    WHERE owner_id = due_jobs.owner_id AND queue = due_jobs.queue AND priority = due_jobs.priority AND status IN ('QUEUED', 'RETRYING')
  ) AS last ON due_jobs.owner_id IS NOT NULL
)
UPDATE jobs SET turn = placed.turn FROM placed WHERE jobs.id = placed.id
RETURNING jobs.id
