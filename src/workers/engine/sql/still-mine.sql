-- Returns those of these attempts that are still the current ones of their jobs.
-- $1 ids, $2 attempts
SELECT jobs.id, jobs.attempt FROM jobs
JOIN unnest($1::bigint[], $2::integer[]) AS mine (id, attempt) ON jobs.id = mine.id
WHERE jobs.attempt = mine.attempt AND status = 'RUNNING'
