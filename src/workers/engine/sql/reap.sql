-- Takes back running jobs whose lease has expired: their worker died. Only when a job ran alone is it certain that it was the
-- cause; otherwise it may have been any job in that worker. So a job that has used its last attempt beside others gets one
-- more, alone; a job with a single attempt does not. A job keeps its place in the queue unless it must run alone.
-- $1 code of the failure, $2 message of the failure, $3 true: announce to the broker
WITH expired AS (
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
FROM expired WHERE jobs.id = expired.id
RETURNING jobs.id, jobs.uuid, jobs.queue, jobs.type, jobs.status, jobs.attempt, jobs.owner_uuid
