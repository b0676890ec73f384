-- Extends the leases of running attempts and stores their progress. Skips locked rows: another statement is updating them.
-- $1 ids, $2 attempts, $3 progress (0-100), $4 lease in ms
WITH mine AS (
  SELECT jobs.id, beat.progress FROM jobs
  JOIN unnest($1::bigint[], $2::integer[], $3::smallint[]) AS beat (id, attempt, progress) ON jobs.id = beat.id
  WHERE jobs.attempt = beat.attempt AND status = 'RUNNING'
  FOR NO KEY UPDATE OF jobs SKIP LOCKED
)
UPDATE jobs SET lease_until = now() + $4::integer * interval '1 ms', progress = mine.progress,
  version = version + (jobs.progress <> mine.progress)::integer,
  updated_at = CASE WHEN jobs.progress = mine.progress THEN updated_at ELSE now() END
FROM mine WHERE jobs.id = mine.id
