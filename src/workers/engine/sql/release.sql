-- Puts back attempts that a stopping worker did not finish. They do not count.
-- $1 ids, $2 attempts, $3 true: announce to the broker
UPDATE jobs SET status = 'RETRYING', run_at = date_trunc('milliseconds', now()),
  announce_at = CASE WHEN $3::boolean THEN date_trunc('milliseconds', now()) END, max_attempts = max_attempts + 1,
  lease_until = NULL, version = version + 1, updated_at = now()
FROM unnest($1::bigint[], $2::integer[]) AS given (id, attempt)
WHERE jobs.id = given.id AND jobs.attempt = given.attempt AND status = 'RUNNING'
RETURNING jobs.queue
