-- Returns the queues with jobs that announce-again.sql would take if no wake-up waited in the queue.
-- $1 queues, $2 ms since the last announcement, $3 ms until a job is re-announced, even if its message may still wait
-- Costs one index probe per queue and priority: 0.1 ms with 100,000 waiting jobs.
SELECT DISTINCT queue
FROM unnest($1::varchar[]) AS q (queue) CROSS JOIN generate_series(1, 5) AS urgency
CROSS JOIN LATERAL (
  SELECT id FROM jobs
  WHERE jobs.queue = q.queue AND priority = urgency AND status IN ('QUEUED', 'RETRYING')
    AND turn <= now() - $2::integer * interval '1 ms' AND (crashes < 2 OR run_at < now() - interval '10 min')
    AND (announce_at IS NULL OR announce_at <= now() + ($3::integer - $2) * interval '1 ms')
  ORDER BY turn, id LIMIT 1
) AS unannounced
