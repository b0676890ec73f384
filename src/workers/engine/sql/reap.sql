-- Takes running jobs back whose worker gave no sign of life for a lease. A worker's death counts against a job for sure
-- only when it ran alone: else any of those beside it may have been the cause, and what has spent its attempts gets one
-- more, alone (but for jobs that are tried once only). It keeps its place in the queue, unless it is to run alone.
-- $1 code of the failure, $2 its words, $3 whether a broker is to be told
WITH gone AS (
  SELECT id, attempt < max_attempts OR (NOT alone AND max_attempts > 1) AS again FROM jobs
  WHERE status = 'RUNNING' AND lease_until < now()
  ORDER BY lease_until LIMIT 500 FOR UPDATE SKIP LOCKED
)
UPDATE jobs SET
  status = (CASE WHEN again THEN 'RETRYING' ELSE 'FAILED' END)::job_status,
  crashes = CASE WHEN attempt < max_attempts THEN crashes + 1 ELSE greatest(crashes + 1, 2) END,
  run_at = CASE WHEN crashes + 1 >= 2 OR attempt >= max_attempts THEN date_trunc('milliseconds', now()) ELSE run_at END,
  announce_at = CASE WHEN $3::boolean THEN date_trunc('milliseconds', now()) END,
  finished_at = CASE WHEN NOT again THEN now() END,
  reason = CASE WHEN NOT again THEN $1 END,
  errors = CASE WHEN jsonb_array_length(errors) < 50 THEN errors ELSE errors - 0 END || jsonb_build_object(
    'attempt', attempt, 'at', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'code', $1::text, 'message', $2::text,
    'isPublic', true, 'worker', worker),
  lease_until = NULL, version = version + 1, updated_at = now()
FROM gone WHERE jobs.id = gone.id
RETURNING jobs.id, jobs.uuid, jobs.queue, jobs.type, jobs.status, jobs.attempt, jobs.owner_uuid
