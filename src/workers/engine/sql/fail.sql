-- Records a failed attempt: the job is retried later, or becomes a dead letter after its last attempt or with $4.
-- $1 id, $2 attempt, $3 wait in ms, $4 true: no retry, $5 the failure, $6 true: announce to the broker
WITH ended AS (
  UPDATE jobs SET
    status = (CASE WHEN $4::boolean OR attempt >= max_attempts THEN 'FAILED' ELSE 'RETRYING' END)::job_status,
    run_at = CASE WHEN $4 OR attempt >= max_attempts THEN run_at ELSE now() + $3::integer * interval '1 ms' END,
    turn = NULL, announce_at = CASE WHEN $6::boolean THEN now() + $3::integer * interval '1 ms' END,
    finished_at = CASE WHEN $4 OR attempt >= max_attempts THEN now() END,
    reason = CASE WHEN $4 OR attempt >= max_attempts THEN $5::jsonb ->> 'code' END,
    errors = CASE WHEN jsonb_array_length(errors) < 50 THEN errors ELSE errors - 0 END || $5::jsonb,
    lease_until = NULL, version = version + 1, updated_at = now()
  WHERE id = $1 AND attempt = $2 AND status = 'RUNNING'
  RETURNING uuid, type, status, owner_id, owner_uuid, request_id
), recorded AS (
  INSERT INTO new_events (name, is_published, is_audited, owner_id, subject_id, actor_id, request_id, data)
  SELECT 'job.done', true, false, owner_id, uuid, owner_uuid, request_id,
    json_build_object('jobId', uuid, 'type', type, 'status', status)
  FROM ended WHERE owner_id IS NOT NULL AND status = 'FAILED'
)
SELECT status FROM ended
