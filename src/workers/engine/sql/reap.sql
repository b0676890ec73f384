-- Takes back running jobs whose lease has expired: their worker died, froze or lost its connection to the database.
-- When several jobs ran in a worker that died, each of them may be the cause. So a job whose worker died during its last
-- attempt becomes a dead letter only if claim-suspect.sql had started the attempt (alone) or its max_attempts is 1. Otherwise
-- it gets one more attempt, also when it happened to be the only job of its worker. A job that must run alone from now on
-- has crashes >= 2; its run_at becomes now, because the ten minutes in claim.sql count from it. Every job keeps its turn.
-- $1 code of the failure, $2 message of the failure, $3 true: announce to the broker
WITH expired AS (
  SELECT id, attempt < max_attempts OR (NOT alone AND max_attempts > 1) AS again FROM jobs
  WHERE status = 'RUNNING' AND lease_until < now()
  ORDER BY lease_until LIMIT 500 FOR UPDATE SKIP LOCKED
), reaped AS (
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
  RETURNING jobs.id, jobs.uuid, jobs.queue, jobs.type, jobs.status, jobs.attempt, jobs.worker, jobs.owner_uuid,
    jobs.request_id, jobs.owner_id
), recorded AS (
  INSERT INTO new_events (name, is_published, is_audited, owner_id, subject_id, actor_id, request_id, data)
  SELECT 'job.done', true, false, owner_id, uuid, NULL::uuid, request_id,
    json_build_object('jobId', uuid, 'type', type, 'status', status)
  FROM reaped WHERE owner_id IS NOT NULL AND status = 'FAILED'
)
SELECT id, uuid, queue, type, status, attempt, worker, owner_uuid, request_id FROM reaped
