-- Which of these queues have jobs that announce-again.sql would take, were no wake-up waiting.
-- $1 queues, $2 ms since the last telling, $3 ms until they are told of in any case
-- One probe of the index for each queue and priority: 0.1 ms with 100,000 waiting.
SELECT DISTINCT queue
FROM unnest($1::varchar[]) AS q (queue) CROSS JOIN generate_series(1, 5) AS urgency
CROSS JOIN LATERAL (
  SELECT id FROM jobs
  WHERE jobs.queue = q.queue AND priority = urgency AND status IN ('QUEUED', 'RETRYING')
    AND turn <= now() - $2::integer * interval '1 ms' AND (crashes < 2 OR run_at < now() - interval '10 min')
    AND (announce_at IS NULL OR announce_at <= now() + ($3::integer - $2) * interval '1 ms')
  ORDER BY turn, id LIMIT 1
) AS untold
