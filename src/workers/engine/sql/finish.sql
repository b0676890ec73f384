-- Completes attempts and stores their results. Attempts that are not current any more match no row.
-- $1 ids, $2 attempts, $3 results
UPDATE jobs SET status = 'SUCCEEDED', progress = 100, result = done.result, finished_at = now(), lease_until = NULL,
  version = version + 1, updated_at = now()
FROM unnest($1::bigint[], $2::integer[], $3::jsonb[]) AS done (id, attempt, result)
WHERE jobs.id = done.id AND jobs.attempt = done.attempt AND status = 'RUNNING'
RETURNING jobs.id
