-- Puts back attempts that a stopping worker did not finish, or moves jobs to another queue. These attempts do not count.
-- $1 ids, $2 attempts, $3 true: announce to the broker, $4 the other queue, where the jobs get a new turn; null: the same queue
UPDATE jobs SET status = 'RETRYING', queue = coalesce($4::varchar, jobs.queue), turn = CASE WHEN $4 IS NULL THEN turn END, run_at = date_trunc('milliseconds', now()),
  announce_at = CASE WHEN $3::boolean THEN date_trunc('milliseconds', now()) END, max_attempts = max_attempts + 1,
  lease_until = NULL, version = version + 1, updated_at = now()
FROM unnest($1::bigint[], $2::integer[]) AS given (id, attempt)
WHERE jobs.id = given.id AND jobs.attempt = given.attempt AND status = 'RUNNING'
RETURNING jobs.queue
