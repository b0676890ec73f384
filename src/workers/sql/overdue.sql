-- Which of these queues have jobs that announce-again.sql would take, were no wake-up waiting.
-- $1 queues, $2 ms since the last telling, $3 ms until they are told of in any case
SELECT queue FROM unnest($1::varchar[]) AS q (queue)
WHERE EXISTS (SELECT FROM jobs j WHERE j.queue = q.queue AND priority IN (1, 2, 3, 4, 5) AND status IN ('QUEUED', 'RETRYING')
  AND run_at <= now() - $2::integer * interval '1 ms' AND (crashes < 2 OR run_at < now() - interval '10 min')
  AND (announce_at IS NULL OR announce_at <= now() + ($3::integer - $2) * interval '1 ms'))
